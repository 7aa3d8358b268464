"""Reading a file without ever waiting, whatever stands in its place."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from tqd.config.regular import Unreadable, read_regular


@pytest.fixture(autouse=True)
def _ended_when_it_waits() -> Iterator[None]:
    """Turn a test that would wait for ever into one that fails."""

    def fail(_: int, __: FrameType | None) -> None:
        pytest.fail("reading has waited")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(str(tmp_path / "file"), 5) == b"12345"


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123456")
    with pytest.raises(Unreadable, match="is larger than 5 bytes"):
        read_regular(str(tmp_path / "file"), 5)


def test_a_fifo_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file")
    with pytest.raises(Unreadable, match="is not a regular file"):
        read_regular(str(tmp_path / "file"), 5)


@pytest.mark.parametrize("written_to", [False, True])
def test_a_file_that_becomes_a_fifo_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written_to: bool
) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    writer = os.open(tmp_path / "fifo", os.O_RDWR) if written_to else None
    status = os.stat(tmp_path / "file")
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", lambda _: status)
            with pytest.raises(Unreadable, match="is not a regular file"):
                read_regular(str(tmp_path / "fifo"), 5)
    finally:
        if writer is not None:
            os.close(writer)


def test_a_device_is_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("a device was opened"))
    with pytest.raises(Unreadable, match="is not a regular file"):
        read_regular("/dev/null", 5)


def test_a_read_leaves_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    before = set(os.listdir("/proc/self/fd"))
    for limit in (5, 4):
        try:
            read_regular(str(tmp_path / "file"), limit)
        except Unreadable:
            continue
    assert set(os.listdir("/proc/self/fd")) == before
