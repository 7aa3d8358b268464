"""What must hold of a shard's keys at any moment, as a pure function over a picture of them.

A task is in exactly one place, with its payload; what is kept beside it is kept for a task that is
there; every claim has an owner whose end somebody would notice; nothing lasts without a bound. No I/O:
the picture may be the whole shard or only what concerns a few tasks, and says what it does not show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

DEAD, TASK, FAILURE, ATTEMPTS, ERRORS = "dead", "task", "failure", "attempts", "errors"
CLAIMS, HELD = "claims:", "held:"
LIVING = ("due:", "parked:", "ready:", HELD, "suspect:", CLAIMS)
"""Where a task is that has not ended, in the order in which most of them move on."""


class Kind(StrEnum):
    """What can be wrong; the value is how it is told."""

    SEVERAL_PLACES = "task is in several places"
    NO_PLACE = "payload belongs to a task that is in no place"
    NO_PAYLOAD = "task has no payload"
    NO_RECORD = "dead letter has no record"
    STRAY_RECORD = "record belongs to no dead letter"
    STRAY_COUNTS = "attempts are counted, or their errors kept, of a task that is not there"
    STRAY_KEY = "unique key is taken by a task that is not there"
    STRAY_MARK = "cancellation is kept of a task that is not there"
    NO_OWNER = "claims belong to a worker that nobody watches"
    RINGING = "bell has more than one token"
    ENDLESS = "key that should expire does not"
    MISCOUNT = "tasks that the limits of keys hold back are not counted rightly"
    OTHER_TYPE = "key is of another type"


STRAYS = {"unique": Kind.STRAY_KEY, "keyed": Kind.STRAY_KEY, "cancels": Kind.STRAY_MARK}
"""Hashes in which something is kept beside living tasks; it goes with their end."""


class Finding(NamedTuple):
    """One thing that is wrong: with a task (`task_id`), or with the one key in `places`."""

    kind: Kind
    places: tuple[str, ...]
    task_id: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What was read, by the keys' names without their prefix.

    `places` are those of `LIVING` and `dead`, each with the ids in it, as often as they are there.
    `counted` are the tasks of which attempts or errors are on record. `beside`: of each of the `STRAYS`,
    field → id of the task to which it belongs. `owners` are the workers that may claim, or that wait to be
    taken back. `unread` are keys that were not read to their end: nothing is concluded from what is
    missing there. `held_keys` are the limit keys with tasks that are held back, by queue, as those who
    claim know them, and `holding` is how many such tasks a queue is said to have; None: not read.
    """

    places: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    payloads: Set[bytes] = frozenset()
    records: Set[bytes] = frozenset()
    counted: Set[bytes] = frozenset()
    beside: Mapping[str, Mapping[bytes, bytes]] = field(default_factory=dict)
    owners: Set[str] = frozenset()
    bells: Mapping[str, int] = field(default_factory=dict)
    endless: Sequence[str] = ()
    other_type: Sequence[str] = ()
    unread: Set[str] = frozenset()
    held_keys: Mapping[str, Set[str]] | None = None
    holding: Mapping[str, int] = field(default_factory=dict)

    def miscounted(self) -> list[str]:
        """Return the queues whose held-back tasks are in other lines, or others in number, than is known."""
        if self.held_keys is None or any(place.startswith(("ready:*", "held")) for place in self.unread):
            return []
        lines: dict[str, dict[str, int]] = {}
        for place, ids in self.places.items():
            if place.startswith(HELD) and ids:
                queue, _, key = place.removeprefix(HELD).partition(":")
                lines.setdefault(queue, {})[key] = len(ids)
        return [
            queue
            for queue in sorted({*lines, *self.held_keys, *self.holding})
            if set(lines.get(queue, ())) != set(self.held_keys.get(queue, ()))
            or sum(lines.get(queue, {}).values()) != self.holding.get(queue, 0)
        ]


def audit(picture: Picture) -> list[Finding]:
    """Return everything that is wrong in a picture, each thing once."""
    where: dict[bytes, list[str]] = {}
    for place, ids in picture.places.items():
        for identity in ids:
            where.setdefault(identity, []).append(place)
    kept = [Finding(STRAYS[place], (place,), identity) for place, _, identity in strays(picture)]
    return [*_placed(picture, where), *_unplaced(picture, where), *kept, *_keys(picture)]


def strays(picture: Picture) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield place, field and id of what is kept beside tasks that are not there."""
    if TASK in picture.unread:
        return
    for place, fields in picture.beside.items():
        for name, identity in fields.items():
            if identity not in picture.payloads:
                yield place, name, identity


def _placed(picture: Picture, where: Mapping[bytes, list[str]]) -> Iterator[Finding]:
    for identity, places in where.items():
        if len(places) > 1:
            yield Finding(Kind.SEVERAL_PLACES, tuple(places), identity)
        elif places[0] != DEAD:
            if identity not in picture.payloads and TASK not in picture.unread:
                yield Finding(Kind.NO_PAYLOAD, tuple(places), identity)
        elif identity not in picture.records and FAILURE not in picture.unread:
            yield Finding(Kind.NO_RECORD, (DEAD,), identity)


def _unplaced(picture: Picture, where: Mapping[bytes, list[str]]) -> Iterator[Finding]:
    if not any(place.startswith(LIVING) for place in picture.unread):
        for identity in picture.payloads:
            if set(where.get(identity, ())) <= {DEAD}:
                yield Finding(Kind.NO_PLACE, (TASK,), identity)
    if DEAD not in picture.unread:
        for identity in picture.records:
            if DEAD not in where.get(identity, ()):
                yield Finding(Kind.STRAY_RECORD, (FAILURE,), identity)
    if TASK not in picture.unread:
        for identity in picture.counted - picture.payloads:
            yield Finding(Kind.STRAY_COUNTS, (ATTEMPTS,), identity)


def _keys(picture: Picture) -> Iterator[Finding]:
    for place, ids in picture.places.items():
        if ids and place.startswith(CLAIMS) and place.removeprefix(CLAIMS) not in picture.owners:
            yield Finding(Kind.NO_OWNER, (place,))
    for bell, tokens in picture.bells.items():
        if tokens > 1:
            yield Finding(Kind.RINGING, (bell,))
    yield from (Finding(Kind.MISCOUNT, (f"heldkeys:{queue}",)) for queue in picture.miscounted())
    yield from (Finding(Kind.ENDLESS, (key,)) for key in picture.endless)
    yield from (Finding(Kind.OTHER_TYPE, (key,)) for key in picture.other_type)
