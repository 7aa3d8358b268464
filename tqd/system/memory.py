"""How much memory this process and its children may use, how much is used, and who ran out of it.

The limit is that of the control group (version 1, version 2, or both on one machine), of any group
above it, or of the machine; in a container only the container's own group can be seen. Nothing here
raises: what cannot be read is None. Nothing is decided here but `room`, which computes only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

MACHINE = "machine"
UNKNOWN = "unknown"

_NO_V1_LIMIT_BYTES = 1 << 62
_SMALL_BYTES = 65_536
_MOUNTS_BYTES = 4_194_304  # a host of many containers has thousands of mounts


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryState:
    """The memory of this process tree at one moment; None is what cannot be known here.

    `limit_bytes` is the lowest of all limits, and `origin` names it; `used_bytes` is what is used
    below that limit, without the file cache that the kernel can drop. `pressure_some_avg10` is the
    share of the last 10 s, in percent, in which some process waited for memory. `free_bytes` is the
    least that is left below any limit: a group above may be full because of its other members.
    """

    limit_bytes: int | None
    used_bytes: int | None
    origin: str
    pressure_some_avg10: float | None
    free_bytes: int | None = None


def room(state: MemoryState, per_worker_bytes: int, reserve_share: float = 0.1) -> int | None:
    """Return how many more workers fit, with that share of the limit left free; None if not known.

    `per_worker_bytes` is what one more worker takes; 0 means that it is not known.
    """
    left = state.free_bytes
    if left is None and state.limit_bytes is not None and state.used_bytes is not None:
        left = state.limit_bytes - state.used_bytes
    if left is None or state.limit_bytes is None or per_worker_bytes <= 0:
        return None
    return max(0, int((left - reserve_share * state.limit_bytes) // per_worker_bytes))


class MemorySense:
    """Reads the memory of the group in which this process is; `root` is where a test's tree lies.

    The group is looked up once, the limits are read each time: `systemctl set-property` changes them
    while the service runs.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")
        self._v1: tuple[_Group, ...] = ()
        self._v2: tuple[_Group, ...] = ()
        paths = _group_paths(_read(f"{self._root}/proc/self/cgroup"))
        mounts = list(_mounts(_read(f"{self._root}/proc/self/mountinfo", _MOUNTS_BYTES)))
        if "memory" in paths:
            self._v1 = self._lineage(paths["memory"], [mount for mount in mounts if not mount.unified])
        if "" in paths:
            self._v2 = self._lineage(paths[""], [mount for mount in mounts if mount.unified])

    def state(self) -> MemoryState:
        """Return what holds now, from a few small files; never raises."""
        machine = self._machine()
        limits = [*self._limits_v1(), *self._limits_v2(), *([machine] if machine else [])]
        pressure = self._pressure()
        if not limits:
            return MemoryState(
                limit_bytes=None, used_bytes=None, origin=UNKNOWN, pressure_some_avg10=pressure
            )
        lowest = min(limits, key=lambda limit: limit.limit_bytes)
        left = [limit.limit_bytes - limit.used_bytes for limit in limits if limit.used_bytes is not None]
        return MemoryState(
            limit_bytes=lowest.limit_bytes,
            used_bytes=lowest.used_bytes,
            origin=lowest.origin,
            pressure_some_avg10=pressure,
            free_bytes=None if lowest.used_bytes is None else max(0, min(left)),
        )

    def oom_kills(self) -> int | None:
        """Return how many processes the kernel has killed for want of memory: in this group, or else,
        where no group counts, on the machine. Only its growth means something.
        """
        files = [f"{group.directory}/memory.oom_control" for group in self._v1[:1]]
        files += [f"{group.directory}/memory.events" for group in self._v2[:1]]
        for path in (*files, f"{self._root}/proc/vmstat"):
            count = _numbers(_read(path)).get("oom_kill")
            if count is not None:
                return count
        return None

    def _lineage(self, path: str, mounts: list[_Mount]) -> tuple[_Group, ...]:
        """Return the group and those above it, the nearest first.

        In a container the path is often one of the host, which does not exist below the mount: then
        the mount's own root is the container's group.
        """
        for mount in mounts:
            base = self._root + mount.point
            inner = _below(path, mount.root)
            if inner is not None and os.path.isdir(base + inner):
                parts = [part for part in inner.split("/") if part]
                names = ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]
                return tuple(_Group(f"{base}/{name}".rstrip("/"), f"/{name}") for name in names)
        return tuple(_Group(self._root + mount.point, "/") for mount in mounts[:1])

    def _limits_v1(self) -> Iterator[_Limit]:
        for directory, name in self._v1:
            limit = _number(_read(f"{directory}/memory.limit_in_bytes"))
            if limit is not None and limit < _NO_V1_LIMIT_BYTES:
                used = _used(directory, "memory.usage_in_bytes", "total_inactive_file")
                yield _Limit(limit, used, f"memory.limit_in_bytes of cgroup {name}")

    def _limits_v2(self) -> Iterator[_Limit]:
        for directory, name in self._v2:
            files = ("memory.max", "memory.high")
            limits = [(_number(_read(f"{directory}/{file}")), file) for file in files]
            known = [(limit, file) for limit, file in limits if limit is not None]
            if known:
                limit, file = min(known, key=lambda pair: pair[0])
                used = _used(directory, "memory.current", "inactive_file")
                yield _Limit(limit, used, f"{file} of cgroup {name}")

    def _machine(self) -> _Limit | None:
        kib = _numbers(_read(f"{self._root}/proc/meminfo"))
        total, available = kib.get("MemTotal"), kib.get("MemAvailable")
        if total is None:
            return None
        used = None if available is None else max(0, total - available) * 1024
        return _Limit(total * 1024, used, MACHINE)

    def _pressure(self) -> float | None:
        files = [f"{group.directory}/memory.pressure" for group in self._v2[:1]]
        for path in (*files, f"{self._root}/proc/pressure/memory"):
            found = re.search(r"^some avg10=([0-9]{1,9}(\.[0-9]{1,9})?) ", _read(path), re.MULTILINE)
            if found:
                return float(found[1])
        return None


class _Group(NamedTuple):
    """A control group: where its files are, and its name below the mount."""

    directory: str
    name: str


class _Limit(NamedTuple):
    limit_bytes: int
    used_bytes: int | None
    origin: str


class _Mount(NamedTuple):
    """A mounted hierarchy that may know memory; `root` is the group that is seen at `point`."""

    root: str
    point: str
    unified: bool


def _group_paths(text: str) -> dict[str, str]:
    """Return the group's path for each controller; the unified hierarchy is the empty name."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon and (controllers or number == "0"):
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _mounts(text: str) -> Iterator[_Mount]:
    """Yield the mounts of the unified hierarchy, and of version 1's hierarchy of memory."""
    for line in text.splitlines():
        head, _, tail = line.partition(" - ")
        fields, kind = head.split(" "), tail.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        unified = kind[0] == "cgroup2"
        if unified or (kind[0] == "cgroup" and "memory" in kind[2].split(",")):
            yield _Mount(_unescaped(fields[3]), _unescaped(fields[4]), unified)


def _unescaped(field: str) -> str:
    """Return a path of mountinfo as it is: there a space is written as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def _below(path: str, root: str) -> str | None:
    """Return the path below the mount's root, or None if it is not there (or above a namespace)."""
    if ".." in path.split("/"):
        return None
    if root == "/":
        return path.rstrip("/")
    return path[len(root) :] if path == root or path.startswith(f"{root}/") else None


def _used(directory: str, file: str, cache: str) -> int | None:
    used = _number(_read(f"{directory}/{file}"))
    if used is None:
        return None
    return max(0, used - _numbers(_read(f"{directory}/memory.stat")).get(cache, 0))


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,20}\n?", text) else None


def _numbers(text: str) -> Mapping[str, int]:
    """Return the numbers of lines like `oom_kill 3` and `MemTotal:  8000 kB`."""
    return {name: int(count) for name, count in re.findall(r"^([\w()]+):? +([0-9]{1,20})\b", text, re.M)}


def _read(path: str, largest_bytes: int = _SMALL_BYTES) -> str:
    """Return what a file of the kernel says; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(largest_bytes).decode("utf-8", "surrogateescape")
    except (OSError, ValueError):
        return ""
