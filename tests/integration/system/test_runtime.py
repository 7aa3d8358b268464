"""The pidfile's lock: who holds it, and that asking for it is not holding it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.support.wait import until
from tqd.system.runtime import Pidfile, holder


def forked(body: Callable[[], None]) -> int:
    """Run a function in a child process; its lock, if it takes one, is its own."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(1)
    return pid


def test_nobody_holds_a_file_that_is_missing_or_stale(tmp_path: Path) -> None:
    path = tmp_path / "tqd.pid"
    assert holder(str(path)) is None
    path.write_text("12345 678\n")
    assert holder(str(path)) is None


def test_the_holder_is_named_and_gone_with_its_process(tmp_path: Path) -> None:
    path = str(tmp_path / "tqd.pid")

    def hold() -> None:
        Pidfile(path).hold(os.getpid(), 42)
        while True:
            signal.pause()

    pid = forked(hold)
    try:
        until(lambda: holder(path) == (pid, 42), "it is held", 10)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert holder(path) is None


def test_those_who_ask_refuse_no_start(tmp_path: Path) -> None:
    path = str(tmp_path / "tqd.pid")
    asked = tmp_path / "asked"

    def ask() -> None:
        while True:
            holder(path)
            asked.touch()

    pid = forked(ask)
    try:
        until(asked.exists, "somebody asks", 10)
        for _ in range(3000):
            pidfile = Pidfile(path)
            pidfile.hold(os.getpid(), 1)
            os.close(pidfile.descriptor)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
