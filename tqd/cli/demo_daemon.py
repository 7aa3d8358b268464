"""The demo's daemon: a real `tqd start`, in a directory of its own, that ends with the demo.

It knows nothing of the user's tqd.toml, environment or Redis. It is in a process group of its own, as
a Ctrl-C is meant for the demo, which then stops it; and the kernel stops it should the demo be killed.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import tqd
from tqd.cli.daemon import NotAnswering, ask
from tqd.cli.demo_journal import VARIABLE
from tqd.clock import monotonic, pause
from tqd.config.table import SETTINGS
from tqd.errors import TqdError
from tqd.system.fork import die_with_parent
from tqd.system.runtime import LONGEST_SOCKET_PATH, RuntimeDirectory

APP = "tqd.cli.demo_tasks:tq"
WORKERS, SLOTS = 2, 16
READY_S = 20.0
STOP_S = 4.0

_LOOK_S = 0.05
_LAST_LINES = 8


class DemoFailed(TqdError):
    """Raised when the daemon does not do what the demo needs; the message has its last words."""


def private_directory() -> RuntimeDirectory:
    """Make a new directory of this user whose sockets have short enough paths."""
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        longest = RuntimeDirectory(os.path.join(parent, "tqd-demo-XXXXXXXX")).control_socket
        if len(os.fsencode(longest)) <= LONGEST_SOCKET_PATH and os.access(parent, os.W_OK):
            return RuntimeDirectory(tempfile.mkdtemp(prefix="tqd-demo-", dir=parent))
    raise DemoFailed("no temporary directory with a short path can be written: set TMPDIR to one")


def journal_directory(place: RuntimeDirectory) -> str:
    """Return where the tasks keep their journal."""
    return os.path.join(place.path, "journal")


class Daemon:
    """`start`, then `wait_ready`; `stop` always, as it ends whatever was started."""

    def __init__(self, place: RuntimeDirectory) -> None:
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it is not ready yet."""
        os.mkdir(journal_directory(self._place), mode=0o700)
        settings = os.path.join(self._place.path, "tqd.toml")
        Path(settings).write_text('[queues]\nnames = ["high_priority", "default", "low_priority"]\n')
        arguments = ["--config", settings, "--embedded", "--app", APP, "--workers", str(WORKERS)]
        arguments += ["--concurrency", str(SLOTS), "--runtime-dir", self._place.path]
        with open(self._place.log, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tqd", "start", *arguments],
                # Here `-m tqd` is this tqd, whatever the user's directory holds.
                cwd=Path(tqd.__file__).parents[1],
                env=_environment(journal_directory(self._place)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=functools.partial(die_with_parent, os.getpid(), signal.SIGTERM),
            )

    def wait_ready(self) -> dict[str, Any]:
        """Return the first status of the complete daemon; DemoFailed says why there is none."""
        deadline = monotonic() + READY_S
        while monotonic() < deadline:
            status = self.status()
            if status is not None and status["state"] == "running":
                return status
            pause(_LOOK_S)
        raise DemoFailed(f"the daemon was not ready within {READY_S:g} s:\n{self._last_words()}")

    def status(self) -> dict[str, Any] | None:
        """Return what `tqd status --json` gives; None when it does not answer. DemoFailed when it is gone."""
        if self._process is not None and self._process.poll() is not None:
            code = self._process.returncode
            raise DemoFailed(f"the daemon ended by itself (exit code {code}):\n{self._last_words()}")
        try:
            return ask(self._place, "status")
        except NotAnswering:
            return None

    def stop(self) -> int | None:
        """Have it drain and wait for its end, harder each time; returns its exit code, None if never run."""
        process = self._process
        if process is None:
            return None
        for _ in range(3):
            if process.poll() is None:
                process.terminate()
            try:
                return process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                continue  # a second stop is a short one, a third ends the workers at once
        process.kill()
        return process.wait()

    def _last_words(self) -> str:
        lines = Path(self._place.log).read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LAST_LINES:])


def _environment(journal: str) -> dict[str, str]:
    ours = {name for setting in SETTINGS for name in setting.environment}
    ours |= {"NOTIFY_SOCKET", "WATCHDOG_USEC", "RUNTIME_DIRECTORY"}
    kept = {
        name: value for name, value in os.environ.items() if name not in ours and not name.startswith("TQD_")
    }
    return kept | {VARIABLE: journal}
