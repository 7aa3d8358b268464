"""Audits a live shard: reads a picture, confirms each suspicion twice, and mends what it is told to mend.

A suspicion about a task is confirmed by one script that sees all places in one moment, and once more
after the keys were listed anew. Mending is the same script: what is wrong is decided where it is mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tqd.errors import WireError
from tqd.store.audit import CLAIMS, DEAD, HELD, STRAYS, Finding, Kind, Picture, audit
from tqd.store.calls import Command
from tqd.store.connection import SyncLink, accept
from tqd.store.keys import Keys
from tqd.store.recount import recounted
from tqd.store.scripts import sha
from tqd.store.snapshot import Names, Snapshot
from tqd.store.strays import confirmed
from tqd.task.identity import ID_BYTES, created_ms
from tqd.wire.envelope import decode_envelope

LIMIT = 100_000
"""Entries of each key that are looked at, unless somebody asks for more."""

YOUNG_MS = 60_000
"""A payload without a place is left alone until it is so old."""

MOST_SUSPECTS = 2_000
MOST_COMPARED = 20_000_000
"""Entries of lists that Redis may compare for one audit: about a third of a second of its time, in pieces."""

_BATCH = 10
_BESIDE = frozenset(STRAYS.values())
_ENDLESS_S = 3600
_WHEREABOUTS, _MEND = sha("whereabouts"), sha("mend")
_KEY_KINDS = {Kind.NO_OWNER: "claims", Kind.RINGING: "bell", Kind.ENDLESS: "endless"}


class Found(NamedTuple):
    """A confirmed finding, and what was done about it ("": nothing)."""

    finding: Finding
    mended: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an audit found.

    `tasks` were looked at. `unread` are keys that are too long to be read to their end, `unchecked` the
    number of suspicions that were not looked into, as there were too many.
    """

    found: tuple[Found, ...]
    tasks: int
    unread: tuple[str, ...]
    unchecked: int


class Auditor:
    """Uses a connection of somebody else's. `queue` is where a task goes whose own cannot be read."""

    def __init__(self, link: SyncLink, keys: Keys, queue: str, limit: int = LIMIT) -> None:
        self._link = link
        self._keys = keys
        self._queue = queue
        self._snapshot = Snapshot(link, keys, limit)

    def audit(self, *, mend: bool = False) -> Report:
        """Look at everything once, and mend what is wrong if asked to; raises StoreError."""
        names = self._snapshot.names()
        picture = self._snapshot.picture(names)
        suspicions = audit(picture)
        suspects = list(
            dict.fromkeys(one.task_id for one in suspicions if one.task_id and one.kind not in _BESIDE)
        )
        found = [Found(one, "") for one in suspicions if one.kind is Kind.OTHER_TYPE]
        # With keys of another type nothing else can be told: the scripts refuse them.
        checked = [] if found else suspects[: _budget(picture)]
        survivors = self._wrong(checked, names)
        if survivors:
            found += self._tasks(survivors, self._snapshot.names(), mend)
        if not picture.other_type:
            found += (Found(*one) for one in confirmed(self._link, self._keys, picture, mend))
            found += (Found(*one) for one in recounted(self._link, self._keys, picture, mend))
            found += self._keyed([one for one in suspicions if one.kind in _KEY_KINDS], names, mend)
        return Report(
            found=tuple(found),
            tasks=len(picture.payloads | picture.records),
            unread=tuple(sorted(picture.unread)),
            unchecked=len(suspects) - len(checked),
        )

    def _wrong(self, ids: Sequence[bytes], names: Names) -> list[bytes]:
        return [identity for identity, findings, _ in self._look(ids, names, mend=False) if findings]

    def _tasks(self, ids: Sequence[bytes], names: Names, mend: bool) -> Iterator[Found]:
        confirmed = self._wrong(ids, names)
        for _, findings, done in self._look(confirmed, names, mend):
            yield from (Found(finding, done) for finding in findings)

    def _look(
        self, ids: Sequence[bytes], names: Names, mend: bool
    ) -> Iterator[tuple[bytes, list[Finding], str]]:
        """Yield for each task what is wrong with it in one moment, and what was mended."""
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            commands = [
                self._whereabouts(one, envelope, names, mend) for one, envelope in self._payloads(batch)
            ]
            for identity, reply in zip(batch, self._link.exchange(commands), strict=True):
                picture, done = _seen(identity, accept(reply))
                yield identity, self._old_enough(audit(picture)), done

    def _payloads(self, ids: Sequence[bytes]) -> Iterable[tuple[bytes, bytes | None]]:
        return zip(ids, self._link.call(("HMGET", self._keys.task, *ids)), strict=True)

    def _whereabouts(self, identity: bytes, envelope: bytes | None, names: Names, mend: bool) -> Command:
        keys, now_ms = self._keys, self._link.clock.now_ms()
        name, queue, key = self._route(envelope)
        places = [keys.prefix + place for place in names.places()]
        named = [
            keys.task, keys.attempts, keys.failure, keys.dead, keys.ready(queue), keys.bell(queue),
            keys.nodes, keys.lost, keys.errors, keys.due(queue), keys.parked(name), keys.suspect(queue),
            keys.held(queue, key), *places,
        ]  # fmt: skip
        return ("EVALSHA", _WHEREABOUTS, len(named), *named, identity, keys.prefix, int(mend), now_ms)

    def _route(self, envelope: bytes | None) -> tuple[str, str, str]:
        try:
            task = decode_envelope(envelope or b"")
        except WireError:
            return "", self._queue, ""
        return task.name, task.queue, task.limit_key

    def _old_enough(self, findings: Sequence[Finding]) -> list[Finding]:
        oldest = self._link.clock.now_ms() - YOUNG_MS
        return [
            one for one in findings if one.kind is not Kind.NO_PLACE or _created_ms(one.task_id) <= oldest
        ]

    def _keyed(self, suspicions: Sequence[Finding], names: Names, mend: bool) -> Iterator[Found]:
        keys = self._keys
        workers = [keys.prefix + name for name in names.workers]
        for finding in suspicions:
            (name,) = finding.places
            about = name.removeprefix(CLAIMS) if finding.kind is Kind.NO_OWNER else str(_ENDLESS_S)
            command: Command = (
                "EVALSHA", _MEND, 3 + len(workers), keys.prefix + name, keys.lost, keys.nodes, *workers,
                _KEY_KINDS[finding.kind], int(mend), keys.prefix, about,
            )  # fmt: skip
            if self._link.call(command) == 1:
                yield Found(finding, _DONE[finding.kind] if mend else "")


_DONE = {
    Kind.NO_OWNER: "a keeper takes its tasks back",
    Kind.RINGING: "one token is left",
    Kind.ENDLESS: f"it expires in {_ENDLESS_S} s",
}


def _seen(identity: bytes, reply: Sequence[object]) -> tuple[Picture, str]:
    """Return the picture of one task in one moment, and what was mended."""
    payload, record, counts, done, *rest = reply
    fields = iter(rest)
    places = {}
    for name, times in zip(fields, fields, strict=True):
        assert isinstance(name, bytes) and isinstance(times, int)
        places[name.decode()] = [identity] * times
    assert isinstance(done, bytes)
    one = frozenset((identity,))
    picture = Picture(
        places=places,
        payloads=one if payload else frozenset(),
        records=one if record else frozenset(),
        counted=one if counts else frozenset(),
        owners={place.removeprefix(CLAIMS) for place in places if place != DEAD},
    )
    return picture, done.decode()


def _created_ms(identity: bytes) -> int:
    return created_ms(identity) if len(identity) == ID_BYTES else 0


def _budget(picture: Picture) -> int:
    """Return how many suspicions may be looked into: each compares its id with all entries of all lists."""
    lists = ("ready:", HELD, "parked:", "suspect:")
    entries = sum(len(ids) for place, ids in picture.places.items() if place.startswith(lists))
    return min(MOST_SUSPECTS, max(50, MOST_COMPARED // max(1, entries)))
