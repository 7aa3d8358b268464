"""Writing on into a log file that was moved away and made anew. In a child: it replaces its own output."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.forked import Forked
from tqd.system.fork import ChildPipes
from tqd.system.logfile import reopen


def in_a_child(action: Callable[[], None]) -> int:
    def main(_: ChildPipes) -> int:
        # The test runner has put its own in their place.
        sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
        action()
        return 0

    with Forked(main) as forked:
        return forked.exit_code()


def test_everything_goes_to_the_new_file_from_then_on(tmp_path: Path) -> None:
    log, moved = tmp_path / "tqd.log", tmp_path / "tqd.log.1"

    def action() -> None:
        reopen(str(log))
        print("before")  # still in the buffer when the file is moved
        log.rename(moved)
        reopen(str(log))
        print("to stdout", flush=True)
        os.write(2, b"to stderr\n")
        subprocess.run([sys.executable, "-c", "print('of a subprocess')"], check=True)
        logging.getLogger("any").warning("of logging")

    assert in_a_child(action) == 0
    text = log.read_text()
    assert "to stdout\n" in text and "to stderr\n" in text and "of a subprocess\n" in text
    assert "before" in moved.read_text() and "before" not in text


def test_a_file_that_is_there_is_continued_and_a_new_one_is_private(tmp_path: Path) -> None:
    log, new = tmp_path / "tqd.log", tmp_path / "new.log"
    log.write_text("old\n")

    def action() -> None:
        os.umask(0)
        reopen(str(log))
        os.write(1, b"more\n")
        reopen(str(new))

    assert in_a_child(action) == 0
    assert log.read_text() == "old\nmore\n"
    assert new.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["directory", "pipe without a reader", "missing directory"])
def test_what_cannot_be_opened_leaves_all_as_it_was_and_waits_for_nobody(tmp_path: Path, kind: str) -> None:
    log, bad = tmp_path / "tqd.log", tmp_path / "bad"
    if kind == "directory":
        bad.mkdir()
    elif kind == "pipe without a reader":
        os.mkfifo(bad)
    else:
        bad = tmp_path / "missing" / "tqd.log"

    def action() -> None:
        reopen(str(log))
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError):
            reopen(str(bad))
        assert len(os.listdir("/proc/self/fd")) == before
        os.write(1, b"still here\n")

    assert in_a_child(action) == 0
    assert log.read_text() == "still here\n"


def test_no_descriptor_is_left_open_and_missing_streams_are_no_obstacle(tmp_path: Path) -> None:
    log = tmp_path / "tqd.log"

    def action() -> None:
        reopen(str(log))
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            reopen(str(log))
        assert len(os.listdir("/proc/self/fd")) == before
        os.close(1)
        os.close(2)
        sys.stdout = None
        reopen(str(log))
        subprocess.run([sys.executable, "-c", "print('out')"], check=True)
        os.write(2, b"err\n")

    assert in_a_child(action) == 0
    assert log.read_text() == "out\nerr\n"
