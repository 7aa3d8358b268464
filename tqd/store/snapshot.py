"""Reads a picture of a live shard: bounded, a piece at a time, and so not of one moment.

What moves while it is read may look wrong; whoever asks confirms a suspicion before it is told. Places
are read in the order in which tasks move on, so that few are missed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from redis.exceptions import ResponseError

from tqd.store.audit import ATTEMPTS, CLAIMS, DEAD, ERRORS, FAILURE, HELD, LIVING, STRAYS, TASK, Picture
from tqd.store.calls import Command
from tqd.store.connection import SyncLink
from tqd.store.keys import Keys, texts

SCAN_COUNT = 1000
MOST_SCANS = 20_000
PAGE = 200
"""Entries in one read of a hash: payloads come along, which may be large."""

_LISTS = ("ready:", HELD, "parked:", "suspect:")
_HASHES = (CLAIMS, "running:")
_SIZES = {
    **dict.fromkeys(_LISTS, "LLEN"), **dict.fromkeys(_HASHES, "HLEN"), "bell:": "LLEN",
    **dict.fromkeys(("due:", "heldkeys:"), "ZCARD"),
}  # fmt: skip
_SINGLES = {
    **dict.fromkeys((TASK, ATTEMPTS, ERRORS, FAILURE, *STRAYS), "HLEN"),
    **dict.fromkeys(("cron", "cron:last", "cron:apps", "limits", "arrived", "holding"), "HLEN"),
    **dict.fromkeys((DEAD, "nodes"), "ZCARD"),
    **dict.fromkeys(("lost", "paused"), "SCARD"),
}
_EXPIRING = (
    "result:",
    "producer:",
    "replay:",
    "rate:",
    "flow:",
    "runkeys:",
    "scaling:",
    "stance:",
    "decisions:",
    "current:",
    "trace",
    "tracing",
)


class Names:
    """The keys of a shard, without their prefix, as one look found them.

    A list that is empty does not exist: all places of every queue that left a trace are named, and the
    claims of every worker. `complete` is False when there were too many keys to look at.
    """

    __slots__ = ("complete", "expiring", "found", "owners", "workers")

    def __init__(self, found: set[str], owners: set[str], complete: bool) -> None:
        self.found = found
        self.owners = owners
        self.complete = complete
        self.expiring = [name for name in found if name.startswith(_EXPIRING)]
        self.workers = [name for name in found if name.startswith("workers:")]

    def places(self) -> list[str]:
        """Return every place in which a task that has not ended may be, in the order in which tasks move."""
        traces = ("ready:", "due:", "bell:", "suspect:")
        queues = {name.partition(":")[2] for name in self.found if name.startswith(traces)}
        named = {f"{kind}{queue}" for kind in ("ready:", "due:", "suspect:") for queue in queues}
        named |= {f"{CLAIMS}{worker}" for worker in self.owners}
        named |= {name for name in self.found if name.startswith(LIVING)}
        return sorted(named, key=lambda name: (_rank(name), name))


class Snapshot:
    """Reads over a connection of somebody else's; at most `limit` entries of each key."""

    def __init__(self, link: SyncLink, keys: Keys, limit: int) -> None:
        self._link = link
        self._keys = keys
        self._limit = limit

    def names(self) -> Names:
        """Return which keys there are."""
        found, complete = self._scan()
        (nodes,) = self._link.exchange([("ZRANGE", self._keys.nodes, 0, -1)])
        if not isinstance(nodes, ResponseError):  # a key of another type is told with the others
            found |= {f"workers:{node}" for node in texts(nodes)}
        return Names(found, self.owners(found), complete)

    def owners(self, found: Iterable[str]) -> set[str]:
        """Return the workers that may claim, or that wait to be taken back."""
        sets = [name for name in found if name.startswith("workers:")]
        commands: list[Command] = [("SMEMBERS", self._key(name)) for name in (*sets, "lost")]
        replies = self._link.exchange(commands)
        return {name for reply in replies if not isinstance(reply, ResponseError) for name in texts(reply)}

    def picture(self, names: Names) -> Picture:
        """Return what those keys hold."""
        places = [*names.places(), DEAD]
        bells = sorted(name for name in names.found if name.startswith("bell:"))
        running = sorted(name for name in names.found if name.startswith("running:"))
        indexes = sorted(name for name in names.found if name.startswith("heldkeys:"))
        sizes, other = self._sizes([*_SINGLES, *places, *bells, *running, *indexes])
        unread = {name for name, size in sizes.items() if size > self._limit}
        # Before the payloads: what is kept beside a task is written with it, and goes with it.
        beside = {name: self._beside(name) for name in STRAYS if name in sizes}
        payloads = self._hash(TASK, sizes)
        counted = self._hash(ATTEMPTS, sizes) | self._hash(ERRORS, sizes)
        lines = {name: texts(self._scanned("ZSCAN", name)) for name in indexes if name in sizes}
        holding = dict(self._holding()) if "holding" in sizes else {}
        held = {place: list(self._place(place)) for place in places if place in sizes}
        if not names.complete:
            unread |= {"ready:*"}
        expiring = sorted(names.expiring)
        if len(expiring) > self._limit:
            unread |= {"result:*"}
        return Picture(
            places=held,
            payloads=payloads,
            records=self._hash(FAILURE, sizes),
            counted=counted,
            beside=beside,
            owners=self.owners(names.found),
            bells={name: sizes[name] for name in bells if name in sizes},
            endless=self._endless(expiring[: self._limit]),
            other_type=sorted(other),
            unread=unread,
            held_keys={name.removeprefix("heldkeys:"): frozenset(keys) for name, keys in lines.items()},
            holding=holding,
        )

    def _scan(self) -> tuple[set[str], bool]:
        pattern = re.sub(r"([\\*?\[\]])", r"\\\1", self._keys.prefix) + "*"
        found: set[str] = set()
        cursor: Any = 0
        for _ in range(MOST_SCANS):
            cursor, keys = self._link.call(("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT))
            found |= {name.removeprefix(self._keys.prefix) for name in texts(keys)}
            if int(cursor) == 0:
                return found, True
        return found, False

    def _sizes(self, names: list[str]) -> tuple[dict[str, int], set[str]]:
        replies = self._link.exchange([(_size_of(name), self._key(name)) for name in names])
        answers = dict(zip(names, replies, strict=True))
        other = {name for name, reply in answers.items() if isinstance(reply, ResponseError)}
        return {name: int(reply) for name, reply in answers.items() if name not in other}, other

    def _hash(self, name: str, sizes: dict[str, int]) -> frozenset[bytes]:
        return frozenset(self._scanned("HSCAN", name)) if name in sizes else frozenset()

    def _beside(self, name: str) -> dict[bytes, bytes]:
        if name != "unique":
            return {identity: identity for identity in self._scanned("HSCAN", name)}
        return {key: held for rows in self._pages("HSCAN", name) for key, held in _pairs(rows)}

    def _holding(self) -> Iterator[tuple[str, int]]:
        for rows in self._pages("HSCAN", "holding"):
            for queue, count in _pairs(rows):
                yield queue.decode(errors="replace"), int(count) if count.isdigit() else -1

    def _place(self, name: str) -> Iterable[bytes]:
        if name.startswith(_LISTS):
            return self._listed(name)
        return self._scanned("HSCAN" if name.startswith(CLAIMS) else "ZSCAN", name)

    def _listed(self, name: str) -> Iterator[bytes]:
        for start in range(0, self._limit, SCAN_COUNT):
            end = min(start + SCAN_COUNT, self._limit) - 1
            page = self._link.call(("LRANGE", self._key(name), start, end))
            yield from page
            if len(page) <= end - start:
                return

    def _scanned(self, command: str, name: str) -> dict[bytes, None]:
        return {identity: None for rows in self._pages(command, name) for identity in rows[::2]}

    def _pages(self, command: str, name: str) -> Iterator[list[bytes]]:
        cursor: Any = 0
        read = 0
        while read < self._limit:
            cursor, rows = self._link.call((command, self._key(name), cursor, "COUNT", PAGE))
            read += len(rows) // 2
            yield rows
            if int(cursor) == 0:
                return

    def _endless(self, names: list[str]) -> list[str]:
        endless: list[str] = []
        for start in range(0, len(names), SCAN_COUNT):
            page = names[start : start + SCAN_COUNT]
            replies = self._link.exchange([("PTTL", self._key(name)) for name in page])
            endless += [name for name, reply in zip(page, replies, strict=True) if reply == -1]
        return endless

    def _key(self, name: str) -> str:
        return self._keys.prefix + name


def _rank(name: str) -> int:
    return next(rank for rank, kind in enumerate(LIVING) if name.startswith(kind))


def _size_of(name: str) -> str:
    return _SINGLES.get(name) or _SIZES[name[: name.index(":") + 1]]


def _pairs(rows: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(rows[::2], rows[1::2], strict=True)
