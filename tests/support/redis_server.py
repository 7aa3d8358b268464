"""A private Redis or Valkey for tests: on a unix socket, in a directory of its own, gone with the tests.

It can be stopped, killed, restarted and paused. It never listens on a port.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import redis

PR_SET_PDEATHSIG = 1
START_DEADLINE_S = 10.0
STOP_DEADLINE_S = 5.0

_prctl = ctypes.CDLL(None, use_errno=True).prctl


class RedisServer:
    """One server process. `arguments` are further options: "--maxmemory", "10mb".

    With `appendonly` every write is on disk before it is answered: data outlives `kill` and `restart`.
    """

    def __init__(self, binary: Path | str, *arguments: str, appendonly: bool = False) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="tqd-redis-"))
        self.socket = self.directory / "redis.sock"
        self.log = self.directory / "redis.log"
        self.url = f"unix://{self.socket}"
        durable = ["--appendonly", "yes", "--appendfsync", "always"] if appendonly else []
        options = ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700", "--save", ""]
        self._command = [str(binary), *options, "--dir", str(self.directory), *durable, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._client: redis.Redis | None = None

    def start(self) -> RedisServer:
        """Start the server and return when it answers; raises RuntimeError with its log if it does not."""
        parent = os.getpid()
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: _die_with(parent),
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log_text = self.log.read_text(errors="replace")[-2000:]
                self.kill()
                raise RuntimeError(f"{self._command[0]} does not answer:\n{log_text}")
            time.sleep(0.01)
        return self

    @property
    def pid(self) -> int:
        """Return the process id; the server must have been started."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Tell whether the process is there; a paused one is."""
        return self._process is not None and self._process.poll() is None

    @property
    def client(self) -> redis.Redis:
        """Return a synchronous client, to look with."""
        if self._client is None:
            self._client = redis.Redis.from_url(self.url, socket_timeout=5.0)
        return self._client

    def flush(self) -> None:
        """Make the server as new for the next test: running, empty, and without leftover clients."""
        if not self.running:
            self.start()
        self.resume()
        self.client.flushall()
        self.client.client_kill_filter(_type="normal", skipme=True)

    def stop(self) -> None:
        """Ask the server to end and wait for it; stopping twice is harmless."""
        if self._process is not None and self.running:
            self.resume()
            self._process.terminate()
            try:
                self._process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._disconnect()

    def kill(self) -> None:
        """End the server at once, as a crash does."""
        if self._process is not None and self.running:
            self._process.kill()
            self._process.wait()
        self._disconnect()

    def restart(self) -> None:
        """Stop the server and start it again; its data is there again only with `appendonly`."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server: connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def remove(self) -> None:
        """Kill the server and remove its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        try:
            return self.start()
        except RuntimeError:
            self.remove()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def _answers(self) -> bool:
        try:
            return self.socket.exists() and bool(self.client.ping())
        except redis.RedisError:
            self._disconnect()
            return False

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _die_with(parent: int) -> None:
    """Run in the child: ask the kernel to kill it when the process of the tests ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
