"""`tqd demo` as a user runs it: it balances, and nothing of it stays behind."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines import engines
from tests.support.wait import until

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not engines(), reason="no Redis or Valkey to embed")


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A temporary folder with a short path: sockets go into it."""
    with tempfile.TemporaryDirectory(prefix="td-", dir="/tmp") as path:
        yield Path(path)


def demo(scratch: Path, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "TMPDIR": str(scratch), "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "tqd", "demo", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=stdout, stderr=subprocess.STDOUT)


def processes(scratch: Path) -> list[str]:
    """The command lines that speak of the folder: daemon, its children, its Redis."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(scratch) in line:
            found.append(line)
    return found


def test_the_account_balances_and_nothing_stays_behind(scratch: Path) -> None:
    output, _ = demo(scratch, "--plain", "--tasks", "300").communicate(timeout=60)
    text = output.decode()
    assert re.search(r"The account balances: 960 enqueued, 960 done, \d+ recovered, 0 lost\.", text), text
    assert "kill -9 for worker-" in text and "\x1b" not in text
    assert processes(scratch) == [] and list(scratch.iterdir()) == []


def test_the_exit_code_and_the_cursor_of_a_live_view(scratch: Path) -> None:
    master, terminal = pty.openpty()
    process = demo(scratch, "--tasks", "50", stdout=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            data = os.read(master, 65_536)
        except OSError:
            break  # the other end is closed
        if not data:
            break
        shown += data
    os.close(master)
    assert process.wait(30) == 0, shown.decode()
    assert shown.count(b"\x1b[?25h") == 1 and shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
    assert b"The account balances: 710 enqueued" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_everything_it_started(scratch: Path, number: signal.Signals) -> None:
    process = demo(scratch, "--plain")
    until(lambda: list(scratch.glob("tqd-demo-*/journal/*")), "tasks are running", 20.0)
    assert processes(scratch)
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130, output.decode()
    assert processes(scratch) == [] and list(scratch.iterdir()) == []


def test_a_killed_demo_takes_its_daemon_with_it(scratch: Path) -> None:
    process = demo(scratch, "--plain")
    until(lambda: list(scratch.glob("tqd-demo-*/journal/*")), "tasks are running", 20.0)
    process.kill()
    process.communicate(timeout=20)
    until(lambda: not processes(scratch), "all processes of the demo are gone", 10.0)


def test_a_daemon_that_dies_ends_the_demo_with_its_last_words(scratch: Path) -> None:
    process = demo(scratch, "--plain")
    (journal,) = until(lambda: list(scratch.glob("tqd-demo-*/journal/*"))[:1], "tasks are running", 20.0)
    master = int((journal.parents[1] / "tqd.pid").read_text().split()[0])
    os.kill(master, signal.SIGKILL)
    output, _ = process.communicate(timeout=20)
    text = output.decode()
    assert process.returncode == 1, text
    assert "the daemon ended by itself (exit code -9)" in text
    assert f"logs and journal of this demo are kept in {journal.parents[1]}" in text
    until(lambda: not processes(scratch), "its orphans are gone", 10.0)
