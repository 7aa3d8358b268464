"""Memory limits on this machine, and a real limit that a real process breaks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.memory_group import memory_group
from tqd.system.memory import MemorySense

MIB = 1 << 20
LIMIT_BYTES = 160 * MIB

# Enters the group, looks, lets a child of its own take more than the limit, and looks again.
INSIDE = """
import json, os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
from tqd.system.memory import MemorySense
sense = MemorySense()
held = b"x" * (20 << 20)
before, kills = sense.state(), sense.oom_kills()
child = os.fork()
if child == 0:
    open("/proc/self/oom_score_adj", "w").write("1000")
    glutton = b"x" * (600 << 20)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(json.dumps({
    "limit_bytes": before.limit_bytes, "used_bytes": before.used_bytes, "free_bytes": before.free_bytes,
    "origin": before.origin, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
    "kills_before": kills, "kills_after": sense.oom_kills(),
}))
"""


@pytest.fixture
def limited_group() -> Iterator[Path]:
    """A control group of version 1 with a limit; it is gone afterwards, with all its members."""
    with memory_group(LIMIT_BYTES) as group:
        yield group


def test_this_machine_has_a_limit_and_a_use_below_it() -> None:
    state = MemorySense().state()
    assert state.limit_bytes is not None and state.used_bytes is not None and state.free_bytes is not None
    assert 0 < state.limit_bytes <= psutil.virtual_memory().total
    assert state.used_bytes > 0
    assert 0 <= state.free_bytes <= state.limit_bytes
    assert state.origin


def test_the_pressure_of_this_machine_is_a_share_where_the_kernel_measures_it() -> None:
    pressure = MemorySense().state().pressure_some_avg10
    if not Path("/proc/pressure/memory").exists():
        assert pressure is None
    else:
        assert pressure is not None and 0 <= pressure <= 100


def test_the_kills_on_this_machine_are_counted() -> None:
    kills = MemorySense().oom_kills()
    assert kills is not None and kills >= 0


def test_a_real_limit_is_seen_from_inside_and_a_real_kill_is_counted(limited_group: Path) -> None:
    swap = psutil.swap_memory().total
    if swap and not (limited_group / "memory.memsw.limit_in_bytes").exists():
        pytest.skip("there is swap, and this kernel cannot limit its use: nothing would be killed")
    done = subprocess.run(
        [sys.executable, "-c", INSIDE, str(limited_group)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["limit_bytes"] == LIMIT_BYTES
    assert 20 * MIB <= seen["used_bytes"] < LIMIT_BYTES
    assert 0 < seen["free_bytes"] <= LIMIT_BYTES - 20 * MIB
    assert seen["origin"] == f"memory.limit_in_bytes of cgroup /{limited_group.name}"
    assert seen["signal"] == 9
    assert seen["kills_after"] == seen["kills_before"] + 1
