"""What processes use, by the one process that a unit test has: its own."""

from __future__ import annotations

import os

import psutil
import pytest

from tqd.system.usage import ProcessMemory, pss_bytes, rss_bytes, rss_bytes_of

NOBODY = [0x7FFFFFFF, -1, 1 << 70]


def test_the_own_memory_is_known() -> None:
    rss, pss = rss_bytes_of(os.getpid()), pss_bytes(os.getpid())
    assert rss is not None and pss is not None
    assert 0 < pss <= rss * 1.5
    assert rss_bytes() > 1_000_000


@pytest.mark.parametrize("pid", NOBODY)
def test_the_memory_of_a_process_that_is_not_there_is_not_known(pid: int) -> None:
    assert (rss_bytes_of(pid), pss_bytes(pid)) == (None, None)


def test_a_process_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    original = psutil.Process

    def counted(pid: int) -> psutil.Process:
        asked.append(pid)
        return original(pid)

    monkeypatch.setattr(psutil, "Process", counted)
    memory = ProcessMemory()
    assert memory.rss_bytes(os.getpid()) and memory.rss_bytes(os.getpid()) and memory.pss_bytes(os.getpid())
    assert asked == [os.getpid()]
    memory.forget(os.getpid())
    assert memory.rss_bytes(os.getpid())
    assert asked == [os.getpid()] * 2


def test_what_is_not_known_can_be_forgotten() -> None:
    ProcessMemory().forget(1)


@pytest.mark.parametrize("error", [psutil.AccessDenied(1), psutil.NoSuchProcess(1), PermissionError()])
def test_a_process_that_may_not_be_read_has_no_figures(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_: psutil.Process) -> None:
        raise error

    monkeypatch.setattr(psutil.Process, "memory_info", refuse)
    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    memory = ProcessMemory()
    assert (memory.rss_bytes(os.getpid()), memory.pss_bytes(os.getpid())) == (None, None)
