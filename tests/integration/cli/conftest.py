"""A fake daemon in a runtime directory of its own, and the real `tqd` command against it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.wait import until
from tqd.system.runtime import RuntimeDirectory

ROOT = Path(__file__).parents[3]
END_S = 40.0
_CLEARED = ("TQD_", "REDIS_", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY", "NO_COLOR", "COLUMNS", "LINES", "TERM")


class FakeDaemon:
    """The process of `fake_daemon.py`, once it is started; and where it would be."""

    def __init__(self) -> None:
        self.directory = RuntimeDirectory(tempfile.mkdtemp(prefix="tqd-fake-"))
        self.process: subprocess.Popen[bytes] | None = None
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_CLEARED)}
        self.environ = kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        self.answer()

    def answer(self, **answers: Any) -> None:
        """Set what it answers from now on, by verb; signals may be `exit`."""
        path = Path(self.directory.path, "answers.json")
        path.with_suffix(".new").write_text(json.dumps(answers))
        path.with_suffix(".new").replace(path)

    def start(self) -> FakeDaemon:
        self.forget()
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fake_daemon.py")), self.directory.path],
            env=self.environ,
        )
        until(lambda: "ready" in self.heard(), "the fake daemon is ready", 20)
        return self

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        Path(self.directory.control_socket).unlink(missing_ok=True)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def heard(self) -> list[str]:
        """Return the requests and the signals that came."""
        path = Path(self.directory.path, "heard")
        return path.read_text().splitlines() if path.exists() else []

    def forget(self) -> None:
        Path(self.directory.path, "heard").unlink(missing_ok=True)

    def command(self, verb: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tqd", verb, *arguments, "--runtime-dir", self.directory.path]

    def tqd(self, verb: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end, with its output in pipes."""
        return subprocess.run(
            self.command(verb, *arguments),
            env=self.environ | environ,
            cwd=self.directory.path,
            capture_output=True,
            text=True,
            timeout=END_S,
            check=False,
        )

    def spawn(self, verb: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a verb; its output is in pipes."""
        return subprocess.Popen(
            self.command(verb, *arguments),
            env=self.environ,
            cwd=self.directory.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def fake() -> Iterator[FakeDaemon]:
    """A fake daemon that is not started yet; it ends with the test."""
    daemon = FakeDaemon()
    try:
        yield daemon
    finally:
        daemon.end()
        shutil.rmtree(daemon.directory.path, ignore_errors=True)


@pytest.fixture
def running(fake: FakeDaemon) -> FakeDaemon:
    return fake.start()
