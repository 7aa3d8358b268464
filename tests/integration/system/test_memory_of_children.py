"""What the children of a process use, from their start to after their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tqd.system.usage import ProcessMemory, pss_bytes, rss_bytes_of

MIB = 1 << 20
HOLDS_BYTES = 32 * MIB
HOLDER = f"held = b'x' * {HOLDS_BYTES}; print('ready', flush=True); input()"


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds 32 MiB until it is ended."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        yield child
        child.kill()


def test_a_childs_memory_is_seen_in_both_ways(holder: subprocess.Popen[bytes]) -> None:
    rss, pss = rss_bytes_of(holder.pid), pss_bytes(holder.pid)
    assert rss is not None and HOLDS_BYTES < rss < 10 * HOLDS_BYTES
    assert pss is not None and HOLDS_BYTES < pss < 10 * HOLDS_BYTES


def test_a_dead_child_has_no_memory_before_and_after_it_is_reaped(holder: subprocess.Popen[bytes]) -> None:
    memory = ProcessMemory()
    assert memory.rss_bytes(holder.pid)
    os.kill(holder.pid, signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    assert (memory.rss_bytes(holder.pid), memory.pss_bytes(holder.pid)) == (None, None)
    holder.wait()
    assert (memory.rss_bytes(holder.pid), memory.pss_bytes(holder.pid)) == (None, None)
    assert rss_bytes_of(holder.pid) is None


def test_pages_that_processes_share_are_divided_among_them() -> None:
    held = b"x" * (4 * HOLDS_BYTES)
    asleep, awake = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(awake)
        os.read(asleep, 1)  # until the test closes its end, or dies
        os._exit(0)
    os.close(asleep)
    try:
        rss, pss = rss_bytes_of(child), pss_bytes(child)
    finally:
        os.close(awake)
        os.waitpid(child, 0)
    assert rss is not None and rss > len(held)
    assert pss is not None and pss < rss - len(held) // 4
