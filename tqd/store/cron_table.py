"""The schedules in Redis: their publication by workers, their firing by keepers, a look at them.

Commands, and conversations that the CLI leads, are values; `CronStore` sends them for a keeper. A slot is
fired once by `fire.lua`, however many keepers try and however often a call is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tqd.errors import WireError
from tqd.schedule.entry import Entry
from tqd.store.calls import Command
from tqd.store.connection import Link, accept, redis_ms
from tqd.store.keys import Keys
from tqd.store.scripts import sha
from tqd.store.talk import Talk
from tqd.wire.cron_entry import decode_entry, encode_entry
from tqd.wire.seal import Seal

MAX_FIRED = 1000
"""Slots in one call of the script."""

_PUBLISH = sha("publish")
_FIRE = sha("fire")


class Row(NamedTuple):
    """A schedule as it stands in Redis. `entry` is None when it cannot be read, for the reason in `problem`.

    `value` are its bytes. All slots up to `last_ms` were fired or given up; `fired`: one was fired.
    """

    name: str
    value: bytes
    app: str
    entry: Entry | None
    problem: str
    last_ms: int
    fired: bool


class Fired(NamedTuple):
    """What became of a call: tasks stored, the last slot fired so far, and by how much it came too early.

    `changed`: the schedule is not the one that the caller knows; nothing was stored. With a `depth` the
    queue is full: it holds `waiting` tasks, and the slots after the last one are not fired yet.
    """

    stored: int
    last_ms: int
    early_ms: int
    waiting: int = 0
    depth: int = 0

    @property
    def changed(self) -> bool:
        return self.stored < 0


Firing = tuple[int, bytes, bytes]
"""A slot in ms, the task's id, its envelope."""


def publish_call(
    keys: Keys, app: str, started_ms: int, now_ms: int, entries: Sequence[Entry], seal: Seal | None = None
) -> Command:
    """Return the call that replaces an app's schedules; `started_ms` is when its code was started."""
    rows: list[str | bytes | int] = []
    for entry in entries:
        rows += (entry.name, encode_entry(app, entry, seal), entry.fingerprint)
    return (
        "EVALSHA", _PUBLISH, 3, keys.cron, keys.cron_last, keys.cron_apps, app, started_ms, now_ms, *rows,
    )  # fmt: skip


def fire_call(
    keys: Keys, name: str, value: bytes, queue: str, firings: Sequence[Firing], held: bytes = b""
) -> Command:
    """Return the call that stores the tasks of slots, in their order; `held` is the key of a unique task."""
    parts = [part for firing in firings for part in firing]
    return (
        "EVALSHA", _FIRE, 9, keys.cron, keys.cron_last, keys.task, keys.ready(queue), keys.bell(queue),
        keys.attempts, keys.unique, keys.keyed, keys.limits, name, value, held, *parts,
    )  # fmt: skip


def rows_of(table: Mapping[bytes, bytes], last: Mapping[bytes, bytes]) -> list[Row]:
    """Return the schedules in the two hashes, by name."""
    return [_row(name, table[name], last.get(name, b"")) for name in sorted(table)]


def look(keys: Keys) -> Talk[tuple[list[Row], int]]:
    """Read all schedules, and Redis's time in ms."""
    table, last, time = yield [("HGETALL", keys.cron), ("HGETALL", keys.cron_last), ("TIME",)]
    return rows_of(dict(table), dict(last)), int(redis_ms(time))


class CronStore:
    """What a keeper asks about schedules, over a connection of somebody else's."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    def now_ms(self) -> int:
        """Return Redis's time in epoch ms, as this process last measured it."""
        return self._link.clock.now_ms()

    async def synchronise(self) -> None:
        """Measure Redis's time."""
        await self._link.synchronise()

    async def declared(self, app: str) -> bytes | None:
        """Return what changes whenever the schedules of an app are published."""
        return await self._link.call(("HGET", self._keys.cron_apps, app))  # type: ignore[no-any-return]

    async def table(self) -> list[Row]:
        """Return all schedules, of every app."""
        replies = await self._link.exchange([("HGETALL", self._keys.cron), ("HGETALL", self._keys.cron_last)])
        table, last = (dict(accept(reply)) for reply in replies)
        return rows_of(table, last)

    async def fire(self, row: Row, entry: Entry, firings: Sequence[Firing]) -> Fired:
        """Store the tasks of up to 1000 slots; what was stored before is not stored again."""
        call = fire_call(self._keys, row.name, row.value, entry.queue, firings, entry.held)
        return Fired(*await self._link.call(call))


def _row(name: bytes, value: bytes, last: bytes) -> Row:
    text = name.decode(errors="replace")
    if text.encode() != name:
        return Row(text, value, "", None, "schedule: the name is no text", 0, False)
    digits = last.partition(b":")[0]
    number = int(digits) if digits.removeprefix(b"-").isdigit() and len(digits) < 17 else 0
    try:
        app, entry = decode_entry(text, value)
    except WireError as error:
        return Row(text, value, "", None, str(error), abs(number), number > 0)
    return Row(text, value, app, entry, "", abs(number), number > 0)
