"""The names of nodes and workers in Redis: unique per process, and readable by a successor.

A node is one run of one daemon: `name~host~run`. The name is what its operator calls it and stays the
same over restarts; the host tells whose pids can be looked at; the run is random. A worker is one
process of a node: `node~label~pid~start`.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2s

_SEPARATOR = "~"


@dataclass(frozen=True, slots=True)
class NodeName:
    """One run of one daemon."""

    name: str
    host: str
    run: str

    def __str__(self) -> str:
        return _SEPARATOR.join((self.name, self.host, self.run))

    def succeeds(self, other: NodeName) -> bool:
        """Return whether this is a later run of the same daemon, on a host whose pids we can see."""
        return self.name == other.name and self.host == other.host and self.run != other.run


@dataclass(frozen=True, slots=True)
class WorkerName:
    """One worker process; `start` is its start time in clock ticks, so that a pid is never mistaken."""

    node: str
    label: str
    pid: int
    start: int

    def __str__(self) -> str:
        return _SEPARATOR.join((self.node, self.label, str(self.pid), str(self.start)))


def host_digest(key: str) -> str:
    """Return a short text for what identifies a host's pids."""
    return blake2s(key.encode(), digest_size=5).hexdigest()


def parse_node(text: str) -> NodeName | None:
    """Return the node of a name in Redis, or None when it is none of ours."""
    parts = text.split(_SEPARATOR)
    return NodeName(*parts) if len(parts) == 3 else None


def parse_worker(text: str) -> WorkerName | None:
    """Return the worker of a name in Redis, or None when it is none of ours."""
    node, *rest = text.rsplit(_SEPARATOR, 3)
    if len(rest) != 3 or not rest[1].isdigit() or not rest[2].isdigit():
        return None
    return WorkerName(node, rest[0], int(rest[1]), int(rest[2]))
