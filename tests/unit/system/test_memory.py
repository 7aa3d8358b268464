"""Memory limits and use, read from made-up trees of /proc and /sys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tqd.system.memory import MACHINE, UNKNOWN, MemorySense, MemoryState, room

MIB = 1 << 20
V1_NONE = 9_223_372_036_854_771_712
V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
HYBRID_MOUNTS = [
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755",
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct",
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory",
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw",
]


class Tree:
    """A made-up machine below a directory; use MiB for sizes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def process(self, groups: list[str], mounts: list[str]) -> None:
        self.write("/proc/self/cgroup", "\n".join(groups) + "\n")
        other = "23 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw"
        self.write("/proc/self/mountinfo", "\n".join([other, *mounts]) + "\n")

    def machine(self, total: int, available: int) -> None:
        lines = f"MemTotal:  {total * 1024} kB\nMemFree:  1 kB\nMemAvailable:  {available * 1024} kB\n"
        self.write("/proc/meminfo", lines + "Active(anon):  7 kB\nHugePages_Total:  0\n")

    def v2(self, group: str, maximum: str, used: int, *, high: str = "max", cache: int = 0) -> None:
        self.write(f"{group}/memory.max", _v2_bytes(maximum))
        self.write(f"{group}/memory.high", _v2_bytes(high))
        self.write(f"{group}/memory.current", f"{used * MIB}\n")
        self.write(f"{group}/memory.stat", f"anon 5\nactive_file 9\ninactive_file {cache * MIB}\nslab 3\n")

    def v1(self, group: str, limit_bytes: int, used: int, *, cache: int = 0) -> None:
        self.write(f"{group}/memory.limit_in_bytes", f"{limit_bytes}\n")
        self.write(f"{group}/memory.usage_in_bytes", f"{used * MIB}\n")
        stat = f"inactive_file {MIB}\nhierarchical_memory_limit 1\ntotal_inactive_file {cache * MIB}\n"
        self.write(f"{group}/memory.stat", stat)

    def sense(self) -> MemorySense:
        return MemorySense(str(self.root))

    def figures(self) -> tuple[int | None, int | None, str]:
        state = self.sense().state()
        return _mib(state.limit_bytes), _mib(state.used_bytes), state.origin


def _v2_bytes(words: str) -> str:
    return f"{words}\n" if words == "max" else f"{int(words) * MIB}\n"


def _mib(count: int | None) -> int | None:
    return None if count is None else count // MIB


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_on_version_2_the_groups_own_limit_counts_and_the_cache_does_not(tree: Tree) -> None:
    tree.process(["0::/system.slice/tqd.service"], [V2_MOUNT])
    tree.machine(16_000, 9_000)
    tree.v2("/sys/fs/cgroup/system.slice/tqd.service", "512", 300, cache=100)
    assert tree.figures() == (512, 200, "memory.max of cgroup /system.slice/tqd.service")


def test_on_version_2_memory_high_counts_when_it_is_lower(tree: Tree) -> None:
    tree.process(["0::/a"], [V2_MOUNT])
    tree.v2("/sys/fs/cgroup/a", "512", 300, high="400")
    assert tree.figures() == (400, 300, "memory.high of cgroup /a")


def test_the_lowest_limit_up_the_tree_counts_with_the_use_of_that_group(tree: Tree) -> None:
    tree.process(["0::/a/b/c"], [V2_MOUNT])
    tree.machine(16_000, 9_000)
    tree.v2("/sys/fs/cgroup/a/b/c", "max", 100)
    tree.v2("/sys/fs/cgroup/a/b", "800", 250)
    tree.v2("/sys/fs/cgroup/a", "900", 300)
    assert tree.figures() == (800, 250, "memory.max of cgroup /a/b")


def test_a_group_above_that_others_have_filled_leaves_little_free(tree: Tree) -> None:
    tree.process(["0::/a/b"], [V2_MOUNT])
    tree.v2("/sys/fs/cgroup/a/b", "500", 100)
    tree.v2("/sys/fs/cgroup/a", "900", 870)
    state = tree.sense().state()
    assert (_mib(state.limit_bytes), _mib(state.used_bytes), _mib(state.free_bytes)) == (500, 100, 30)


def test_a_machine_that_others_have_filled_leaves_little_free(tree: Tree) -> None:
    tree.process(["0::/a"], [V2_MOUNT])
    tree.machine(16_000, 40)
    tree.v2("/sys/fs/cgroup/a", "500", 100)
    state = tree.sense().state()
    assert (_mib(state.limit_bytes), _mib(state.free_bytes)) == (500, 40)


def test_use_above_a_soft_limit_leaves_nothing_free(tree: Tree) -> None:
    tree.process(["0::/a"], [V2_MOUNT])
    tree.v2("/sys/fs/cgroup/a", "max", 450, high="400")
    assert tree.sense().state().free_bytes == 0


def test_max_is_no_limit_and_leaves_that_of_the_machine(tree: Tree) -> None:
    tree.process(["0::/a"], [V2_MOUNT])
    tree.machine(16_000, 9_000)
    tree.v2("/sys/fs/cgroup/a", "max", 300)
    assert tree.figures() == (16_000, 7_000, MACHINE)


def test_a_limit_above_what_the_machine_has_is_none(tree: Tree) -> None:
    tree.process(["0::/a"], [V2_MOUNT])
    tree.machine(16_000, 9_000)
    tree.v2("/sys/fs/cgroup/a", "32000", 300)
    assert tree.figures() == (16_000, 7_000, MACHINE)


def test_a_limit_that_is_changed_later_is_seen(tree: Tree) -> None:
    tree.process(["0::/a"], [V2_MOUNT])
    tree.v2("/sys/fs/cgroup/a", "500", 100)
    sense = tree.sense()
    assert sense.state().limit_bytes == 500 * MIB
    tree.v2("/sys/fs/cgroup/a", "300", 100)
    assert sense.state().limit_bytes == 300 * MIB


def test_on_version_1_the_hierarchys_own_file_names_are_used(tree: Tree) -> None:
    tree.process(["5:cpu,cpuacct:/x", "4:memory:/a/b", "1:name=systemd:/y"], HYBRID_MOUNTS[:3])
    tree.machine(16_000, 9_000)
    tree.v1("/sys/fs/cgroup/memory/a/b", V1_NONE, 100)
    tree.v1("/sys/fs/cgroup/memory/a", 700 * MIB, 300, cache=50)
    tree.v1("/sys/fs/cgroup/memory", V1_NONE, 5_000)
    assert tree.figures() == (700, 250, "memory.limit_in_bytes of cgroup /a")


@pytest.mark.parametrize("limit", [V1_NONE, 1 << 62, (1 << 63) - 1, (1 << 64) - 1])
def test_on_version_1_a_number_of_that_size_is_no_limit(tree: Tree, limit: int) -> None:
    tree.process(["4:memory:/a"], HYBRID_MOUNTS[:3])
    tree.v1("/sys/fs/cgroup/memory/a", limit, 100)
    assert tree.figures() == (None, None, UNKNOWN)
    tree.machine(16_000, 9_000)
    assert tree.figures() == (16_000, 7_000, MACHINE)


def test_on_a_hybrid_machine_the_hierarchy_that_has_the_memory_counts(tree: Tree) -> None:
    tree.process(["4:memory:/a", "0::/u"], HYBRID_MOUNTS)
    tree.v1("/sys/fs/cgroup/memory/a", 700 * MIB, 300)
    tree.write("/sys/fs/cgroup/unified/u/cgroup.procs", "1\n")
    assert tree.figures() == (700, 300, "memory.limit_in_bytes of cgroup /a")


def test_on_a_hybrid_machine_the_two_hierarchies_are_not_mixed_up(tree: Tree) -> None:
    tree.process(["4:memory:/a", "0::/a"], HYBRID_MOUNTS[::-1])
    tree.write("/sys/fs/cgroup/unified/a/cgroup.procs", "1\n")
    tree.v1("/sys/fs/cgroup/memory/a", 700 * MIB, 300)
    assert tree.figures() == (700, 300, "memory.limit_in_bytes of cgroup /a")


def test_on_a_hybrid_machine_the_memory_may_be_in_version_2(tree: Tree) -> None:
    tree.process(["3:cpu,cpuacct:/a", "0::/u"], [HYBRID_MOUNTS[1], HYBRID_MOUNTS[3]])
    tree.v2("/sys/fs/cgroup/unified/u", "600", 300)
    assert tree.figures() == (600, 300, "memory.max of cgroup /u")


def test_in_a_container_whose_path_is_that_of_the_host_the_mounts_root_counts(tree: Tree) -> None:
    tree.process(["0::/system.slice/docker-0a.scope"], [V2_MOUNT])
    tree.machine(16_000, 9_000)
    tree.v2("/sys/fs/cgroup", "256", 64)
    tree.write("/sys/fs/cgroup/memory.events", "oom_kill 3\n")
    assert tree.figures() == (256, 64, "memory.max of cgroup /")
    assert tree.sense().oom_kills() == 3


def test_a_path_above_the_namespace_falls_back_to_the_mounts_root(tree: Tree) -> None:
    tree.process(["0::/../../other"], [V2_MOUNT])
    tree.v2("/sys/fs/cgroup", "256", 64)
    tree.v2("/sys/other", "10", 1)  # where the path would lead, were it taken by the letter
    assert tree.figures() == (256, 64, "memory.max of cgroup /")


def test_in_a_container_the_mount_may_start_at_the_containers_group(tree: Tree) -> None:
    mount = "35 31 0:32 /docker/0a /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory"
    tree.process(["4:memory:/docker/0a/inner"], [mount])
    tree.v1("/sys/fs/cgroup/memory/inner", V1_NONE, 10)
    tree.v1("/sys/fs/cgroup/memory", 256 * MIB, 64)
    assert tree.figures() == (256, 64, "memory.limit_in_bytes of cgroup /")


@pytest.mark.parametrize("path", ["/elsewhere", "/docker/gone (deleted)", "/dockerx"])
def test_a_path_that_leads_nowhere_falls_back_to_the_mounts_root(tree: Tree, path: str) -> None:
    mount = "30 23 0:26 /docker /sys/fs/cgroup rw - cgroup2 cgroup2 rw"
    tree.process([f"0::{path}"], [mount])
    tree.v2("/sys/fs/cgroup", "256", 64)
    tree.write("/sys/fs/cgroup/memory.events", "oom_kill 3\n")
    tree.v2("/sys/fs/cgroupx", "10", 1)  # what is left of the last path when the first is cut off
    assert tree.figures() == (256, 64, "memory.max of cgroup /")
    assert tree.sense().oom_kills() == 3


def test_of_several_mounts_the_one_that_has_the_path_counts(tree: Tree) -> None:
    elsewhere = "40 23 0:26 /other /mnt/elsewhere rw - cgroup2 cgroup2 rw"
    tree.process(["0::/a"], [elsewhere, V2_MOUNT])
    tree.v2("/mnt/elsewhere", "100", 10)
    tree.v2("/sys/fs/cgroup/a", "256", 64)
    assert tree.figures() == (256, 64, "memory.max of cgroup /a")


def test_a_mount_point_with_a_space_is_found(tree: Tree) -> None:
    tree.process(["0::/a"], [r"40 23 0:26 / /mnt/my\040groups rw - cgroup2 cgroup2 rw"])
    tree.v2("/mnt/my groups/a", "256", 64)
    assert tree.figures() == (256, 64, "memory.max of cgroup /a")


def test_with_nothing_to_read_nothing_is_known(tree: Tree) -> None:
    state = tree.sense().state()
    assert state == MemoryState(
        limit_bytes=None, used_bytes=None, origin=UNKNOWN, pressure_some_avg10=None, free_bytes=None
    )
    assert tree.sense().oom_kills() is None


@pytest.mark.parametrize(
    "rubbish", ["", "\0\xff", "a b c", "::::", "0::", "0::/a\n" * 3, "- - -", "9" * 9_000]
)
def test_rubbish_in_the_files_is_no_reason_to_fail(tree: Tree, rubbish: str) -> None:
    names = ["memory.max", "memory.high", "memory.current", "memory.stat", "memory.events", "memory.pressure"]
    places = ["/proc/meminfo", "/proc/vmstat", "/proc/pressure/memory"]
    for path in (*places, *(f"/sys/fs/cgroup/{name}" for name in names)):
        tree.write(path, rubbish)
    tree.process([rubbish, "0::/"], [rubbish, V2_MOUNT])
    assert tree.figures() == (None, None, UNKNOWN)
    tree.process(["0::/"], [V2_MOUNT])
    assert tree.sense().state().pressure_some_avg10 is None
    assert tree.sense().oom_kills() is None


def test_a_directory_in_the_place_of_a_file_is_no_reason_to_fail(tree: Tree) -> None:
    tree.process(["0::/a"], [V2_MOUNT])
    os.makedirs(tree.root / "sys/fs/cgroup/a/memory.max")
    os.makedirs(tree.root / "proc/vmstat")
    assert tree.figures() == (None, None, UNKNOWN)
    assert tree.sense().oom_kills() is None


def test_a_limit_without_a_use_leaves_the_use_unknown(tree: Tree) -> None:
    tree.process(["0::/a"], [V2_MOUNT])
    tree.machine(16_000, 9_000)
    tree.write("/sys/fs/cgroup/a/memory.max", f"{256 * MIB}\n")
    state = tree.sense().state()
    assert (state.limit_bytes, state.used_bytes, state.free_bytes) == (256 * MIB, None, None)


def test_more_cache_than_use_is_no_negative_use(tree: Tree) -> None:
    tree.process(["0::/a"], [V2_MOUNT])
    tree.v2("/sys/fs/cgroup/a", "256", 10, cache=11)
    assert tree.figures()[1] == 0


def pressure(avg10: str) -> str:
    return (
        f"some avg10={avg10} avg60=2.00 avg300=3.00 total=4\nfull avg10=9.00 avg60=0.00 avg300=0.00 total=0\n"
    )


def test_the_pressure_is_that_of_the_own_group(tree: Tree) -> None:
    tree.process(["0::/a"], [V2_MOUNT])
    tree.v2("/sys/fs/cgroup/a", "max", 1)
    tree.write("/sys/fs/cgroup/a/memory.pressure", pressure("1.25"))
    tree.write("/proc/pressure/memory", pressure("7.50"))
    assert tree.sense().state().pressure_some_avg10 == 1.25


def test_without_groups_the_pressure_is_that_of_the_machine(tree: Tree) -> None:
    tree.write("/proc/pressure/memory", pressure("7.50"))
    assert tree.sense().state().pressure_some_avg10 == 7.5


def test_without_pressure_figures_the_pressure_is_not_known_which_is_not_zero(tree: Tree) -> None:
    tree.machine(16_000, 9_000)
    assert tree.sense().state().pressure_some_avg10 is None


def test_on_version_2_the_kills_are_those_of_the_own_group(tree: Tree) -> None:
    tree.process(["0::/a/b"], [V2_MOUNT])
    tree.write("/sys/fs/cgroup/a/b/memory.events", "low 0\nhigh 5\nmax 9\noom 4\noom_kill 3\n")
    tree.write("/sys/fs/cgroup/a/memory.events", "oom_kill 20\n")
    tree.write("/proc/vmstat", "nr_free_pages 100\noom_kill 77\n")
    assert tree.sense().oom_kills() == 3


def test_on_version_1_the_kills_are_those_of_the_own_group(tree: Tree) -> None:
    tree.process(["4:memory:/a", "0::/"], HYBRID_MOUNTS)
    text = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"
    tree.write("/sys/fs/cgroup/memory/a/memory.oom_control", text)
    tree.write("/proc/vmstat", "oom_kill 77\n")
    assert tree.sense().oom_kills() == 2


def test_where_no_group_counts_the_kills_are_those_of_the_machine(tree: Tree) -> None:
    tree.process(["4:memory:/a", "0::/"], HYBRID_MOUNTS)
    tree.write("/sys/fs/cgroup/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n")
    tree.write("/proc/vmstat", "nr_free_pages 100\noom_kill 77\n")
    assert tree.sense().oom_kills() == 77


def state(limit: int | None, used: int | None, free: int | None = None) -> MemoryState:
    return MemoryState(
        limit_bytes=limit, used_bytes=used, origin="test", pressure_some_avg10=None, free_bytes=free
    )


@pytest.mark.parametrize(
    ("limit", "used", "per_worker", "expected"),
    [
        (1000, 400, 100, 5),
        (1000, 400, 101, 4),
        (1000, 900, 100, 0),
        (1000, 5000, 100, 0),
        (1000, 0, 900, 1),
        (1000, 0, 901, 0),
        (0, 0, 1, 0),
    ],
)
def test_a_tenth_of_the_limit_stays_free(limit: int, used: int, per_worker: int, expected: int) -> None:
    assert room(state(limit, used), per_worker) == expected


def test_the_reserve_can_be_chosen() -> None:
    assert room(state(1000, 400), 100, reserve_share=0.0) == 6
    assert room(state(1000, 400), 100, reserve_share=0.5) == 1


def test_room_is_that_below_the_tightest_limit() -> None:
    assert room(state(1000, 400, free=250), 100) == 1


@pytest.mark.parametrize(
    ("limit", "used", "per_worker"), [(None, None, 10), (1000, None, 10), (1000, 400, 0), (1000, 400, -1)]
)
def test_room_is_not_known_without_figures(limit: int | None, used: int | None, per_worker: int) -> None:
    assert room(state(limit, used), per_worker) is None
