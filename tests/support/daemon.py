"""The real command as a subprocess: `tqd start` in a private runtime directory, and the other verbs.

A daemon is ended with the test, its children by the ids that its status told, whatever happened.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.wait import until

ROOT = Path(__file__).parents[2]
READY_S = 30.0
END_S = 40.0
_CLEARED = ("TQD_", "REDIS_", "TASK_QUEUE_", "LOG_LEVEL", "LOG_FORMAT", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET")


class Daemon:
    """One runtime directory and what is started in it. `app` is the source of the user's module."""

    def __init__(self, redis_url: str = "", app: str = "", name: str = "shop", **environ: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="tqd-e2e-"))
        self.runtime = self.directory / "run"
        self.journal = self.directory / "journal"
        self.log = self.directory / "output.log"
        self.redis_url = redis_url
        self.process: subprocess.Popen[bytes] | None = None
        self.target = f"{name}:tq"
        self.prefix: list[str] = []
        self._seen: set[tuple[int, int]] = set()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_CLEARED)}
        self.environ = kept | {"PYTHONPATH": str(ROOT), "JOURNAL": str(self.journal)} | environ
        if app:
            self.write(f"{name}.py", app)

    def write(self, name: str, text: str) -> Path:
        """Put a file into the daemon's working directory."""
        path = self.directory / name
        path.write_text(textwrap.dedent(text))
        return path

    # -- verbs -----------------------------------------------------------------------------------

    def tqd(self, verb: str, *arguments: str, timeout_s: float = END_S) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end."""
        return subprocess.run(
            [sys.executable, "-m", "tqd", verb, *arguments],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def arguments(self, *more: str) -> list[str]:
        """Return the flags of a start in this directory."""
        url = ["-r", self.redis_url] if self.redis_url else []
        return ["-A", self.target, "--runtime-dir", str(self.runtime), *url, *more]

    def start(self, *more: str) -> Daemon:
        """Start in the foreground of a process group of its own, and wait until it is ready."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "tqd", "start", *self.arguments(*more)],
                cwd=self.directory,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            until(lambda: self._ended_early() or self.ready, "the daemon is ready", READY_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from None
        assert self.process.poll() is None, f"the daemon ended by itself:\n{self.output()}"
        return self

    def stop(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.tqd("stop", "--runtime-dir", str(self.runtime), *more)

    def verb(self, verb: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Run a verb that talks to this daemon."""
        return self.tqd(verb, "--runtime-dir", str(self.runtime), *more)

    def reload(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.verb("reload", *more)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask over the control socket, as any program can."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.runtime / "control.sock"))
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(connection.makefile("rb").readline())
            return answer

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        os.kill(self.master, number)

    def status(self) -> dict[str, Any]:
        """Return what `tqd status --json` says; also remembers every process it names."""
        result = self.tqd("status", "--json", "--runtime-dir", str(self.runtime))
        try:
            answer: dict[str, Any] = json.loads(result.stdout)
        except ValueError:
            return {"state": f"unknown: {result.stderr}"}
        rows = [
            answer.get("master"),
            answer.get("keeper"),
            *answer.get("probes", []),
            *answer.get("workers", []),
        ]
        pids = [row["pid"] for row in rows if row and row["pid"]]
        self._seen |= {(pid, ticks) for pid in pids if (ticks := started(pid))}
        return answer

    # -- looking ---------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        return self.status().get("healthy", False) is True

    @property
    def master(self) -> int:
        return int(self.status()["master"]["pid"])

    @property
    def keeper(self) -> int | None:
        return self.status()["keeper"]["pid"]  # type: ignore[no-any-return]

    def workers(self) -> dict[str, int]:
        """Return the pids of the ready workers by id."""
        rows = self.status().get("workers", [])
        return {row["id"]: row["pid"] for row in rows if row["pid"] and row["state"] == "ready"}

    def pids(self) -> list[int]:
        """Return the pids of everything that belongs to the daemon now, found from its master."""
        master = self.status()["master"]["pid"]
        return [master, *children(master)]

    def lines(self) -> list[str]:
        """Return what the tasks wrote into the journal."""
        return self.journal.read_text().split() if self.journal.exists() else []

    def wrote(self, line: str, times: int = 1, deadline_s: float = 20.0) -> None:
        """Wait until a line is in the journal so many times."""
        until(lambda: self.lines().count(line) >= times, f"{line} is in {self.lines()}", deadline_s)

    def output(self) -> str:
        """Return what the daemon wrote."""
        detached = self.runtime / "tqd.log"
        return "".join(path.read_text(errors="replace") for path in (self.log, detached) if path.exists())

    # -- the end ---------------------------------------------------------------------------------

    def wait(self, deadline_s: float = END_S) -> int:
        """Wait for the end of the foreground daemon and return its exit code."""
        assert self.process is not None
        try:
            return self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end within {deadline_s:g} s:\n{self.output()}") from None

    def __enter__(self) -> Daemon:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status = self.status()
        if status["state"] != "not running" and "master" in status:
            for pid in children(status["master"]["pid"]):
                self._seen.add((pid, started(pid) or 0))
        for pid, ticks in self._seen:
            if started(pid) == ticks:
                _kill(pid)
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
        if error is not None:
            print(self.output())
        shutil.rmtree(self.directory, ignore_errors=True)

    def _ended_early(self) -> bool:
        return self.process is not None and self.process.poll() is not None


def started(pid: int) -> int | None:
    """Return when a living process started, in ticks; None when there is none (or only its remains)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def alive(pid: int) -> bool:
    return started(pid) is not None


def children(pid: int) -> list[int]:
    """Return the pids of a process's living children."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split() if alive(int(word))]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
