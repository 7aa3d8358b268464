"""A control group with a memory limit, where this machine lets one be made; the test is skipped elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.wait import until

V1_ROOT = Path("/sys/fs/cgroup/memory")


@contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path]:
    """Make a group of version 1 with a limit; it is gone afterwards, with all its members."""
    if not (V1_ROOT / "memory.limit_in_bytes").exists():
        pytest.skip(f"no memory control groups of version 1 at {V1_ROOT}")
    group = V1_ROOT / f"tqd-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
    except OSError as error:
        if group.exists():
            group.rmdir()
        pytest.skip(f"cannot make a control group in {V1_ROOT}: {error.strerror}")
    try:
        if (group / "memory.memsw.limit_in_bytes").exists():  # else the members would go to the swap
            (group / "memory.memsw.limit_in_bytes").write_text(str(limit_bytes))
        yield group
    finally:
        for pid in _members(group):
            os.kill(pid, 9)
        until(lambda: _removed(group), f"{group} can be removed", deadline_s=20)


def _members(group: Path) -> list[int]:
    return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # the kernel needs a moment after the last member's end
        return False
    return True
