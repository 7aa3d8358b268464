"""Queues as conversations: what is in them, pausing them, purging them. No I/O of its own.

Every read is bounded: queues are searched among some 100,000 keys, workers and daemons are asked up to 256
of each. A purge goes in steps, each a script that removes what was at the head a moment before, so that
a step whose reply was lost can be repeated; what comes in meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tqd.store.calls import Command, claimed
from tqd.store.connection import redis_ms
from tqd.store.keys import Keys
from tqd.store.lines import held_of, lines_of
from tqd.store.sampling import MOST_CLAIMS, MOST_WORKERS, age_ms, claims_by_queue
from tqd.store.scripts import sha
from tqd.store.talk import Talk
from tqd.store.task_lookup import workers_of
from tqd.task.model import TaskState
from tqd.task.queue_limit import QueueLimit, read_limit
from tqd.wire.records import ResultRecord

PURGE_STEP = 200
PURGED_KEPT_MS = 60_000
"""How long it is known of a purged task that it was."""

MOST_QUEUES = 1000
SCANS, SCAN_KEYS = 100, 1000

_PAUSE = sha("pause")
_PURGE_QUEUE = sha("purge_queue")
_TYPES = {"ready": b"list", "due": b"zset", "running": b"hash"}


@dataclass(slots=True, kw_only=True)
class QueueView:
    """What a queue holds and what holds it; None is what is not known.

    `claimed` is what workers have in hand, `running` how much of it counts for the limit of concurrency (it
    may lag behind while there is room). `held_by_keys` of those that are ready wait for the limits of their
    keys. `oldest_ms` is the time since the next ready task was enqueued, None also when none is ready.
    `limit` is what Redis says, None without limits; `publisher` is whose it is.
    """

    name: str
    ready: int | None = None
    held_by_keys: int = 0
    scheduled: int | None = None
    claimed: int | None = None
    oldest_ms: int | None = None
    paused: bool = False
    limit: QueueLimit | None = None
    running: int | None = None
    publisher: str = ""


@dataclass(slots=True, kw_only=True)
class Purged:
    """How many tasks a purge has removed, or with `dry_run` would remove."""

    ready: int = 0
    scheduled: int = 0
    dry_run: bool = False


OnPurged = Callable[[Purged], None]


def views(keys: Keys, names: Sequence[str] = (), *, search: bool = True) -> Talk[list[QueueView]]:
    """Look at the queues of these names and, with `search`, at all that there are; at most 1000."""
    paused, limits, holding, nodes = yield [
        ("SMEMBERS", keys.paused),
        ("HGETALL", keys.limits),
        ("HGETALL", keys.holding),
        ("ZRANGE", keys.nodes, 0, MOST_WORKERS - 1),
    ]
    held = {_text(name) for name in paused}
    records = {_text(name): record for name, record in dict(limits).items()}
    lines = {_text(name): held_of(count) for name, count in dict(holding).items()}
    found = set((yield from _searched(keys))) | held | set(records) | set(lines) if search else set()
    ordered = [*dict.fromkeys(names), *sorted(found - set(names))][:MOST_QUEUES]
    out = [QueueView(name=name, paused=name in held) for name in ordered]
    yield from _count(keys, out)
    yield from _claims(keys, nodes, out)
    for view in out:
        view.held_by_keys = lines.get(view.name, 0)
        view.ready = None if view.ready is None else view.ready + view.held_by_keys
        known = read_limit(view.name, records.get(view.name, b""))
        if known is not None:
            view.limit, view.publisher = known
    return out


def view_of(keys: Keys, name: str) -> Talk[QueueView]:
    """Look at one queue; one that nobody has used is empty."""
    (view,) = yield from views(keys, [name], search=False)
    return view


def pause(keys: Keys, name: str, *, paused: bool) -> Talk[bool]:
    """Pause a queue, or let it go on; False when it was so before."""
    (changed,) = yield [
        (
            "EVALSHA", _PAUSE, 4, keys.paused, keys.bell(name), keys.suspect(name), keys.suspect_bell,
            name, int(paused),
        )
    ]  # fmt: skip
    return bool(changed)


def purge(
    keys: Keys,
    name: str,
    states: Sequence[TaskState],
    *,
    dry_run: bool = False,
    on_step: OnPurged | None = None,
) -> Talk[Purged]:
    """Remove what waits in a queue, ready or scheduled or both: what is there at the start, from the head.

    Tasks that workers have in hand go on. Whoever waits for a result is told that it was cancelled.
    """
    purged = Purged(dry_run=dry_run)
    time, ready, scheduled, held = yield [
        ("TIME",),
        ("LLEN", keys.ready(name)),
        ("ZCARD", keys.due(name)),
        ("HGET", keys.holding, name),
    ]
    record = ResultRecord(
        state=TaskState.CANCELLED,
        error_message=f"purged from queue {name}",
        finished_ms=int(redis_ms(time)),
    ).encode()
    there = {TaskState.READY: int(ready) + held_of(held), TaskState.SCHEDULED: int(scheduled)}
    for state in states:
        left = there[state]
        if dry_run:
            setattr(purged, state.value, left)
            continue
        place = _place(keys, name, state)
        left = yield from _purge_place(keys, name, state, place, record, left, purged, on_step)
        before = 0
        while state is TaskState.READY and left > 0 and left != before:
            before = left
            for line in (yield from lines_of(keys, name)):
                left = yield from _purge_place(keys, name, state, line, record, left, purged, on_step)
    return purged


def _purge_place(
    keys: Keys,
    name: str,
    state: TaskState,
    place: str,
    record: bytes,
    left: int,
    purged: Purged,
    on_step: OnPurged | None,
) -> Talk[int]:
    """Remove up to `left` tasks that are in a place; returns how many are left to be removed elsewhere."""
    while left > 0:
        (ids,) = yield [_head(place, state, min(left, PURGE_STEP))]
        if not ids:
            break
        left -= len(ids)
        (removed,) = yield [purge_call(keys, name, state, record, ids, place)]
        setattr(purged, state.value, getattr(purged, state.value) + removed)
        if on_step is not None:
            on_step(purged)
    return left


def purge_call(
    keys: Keys, name: str, state: TaskState, record: bytes, ids: Sequence[bytes], place: str = ""
) -> Command:
    """Return the call that removes up to 200 tasks of a queue that are ready, or scheduled.

    `place` is the line in which they wait when the limits of a key hold them back.
    """
    place = place or _place(keys, name, state)
    hashes = [keys.task, keys.attempts, keys.errors, keys.cancels, keys.keyed, keys.unique]
    named = [*hashes, place, *map(keys.result, ids)]
    return ("EVALSHA", _PURGE_QUEUE, len(named), *named, state.value, record, PURGED_KEPT_MS, *ids)


def _place(keys: Keys, name: str, state: TaskState) -> str:
    return keys.ready(name) if state is TaskState.READY else keys.due(name)


def _head(place: str, state: TaskState, count: int) -> Command:
    return ("LRANGE" if state is TaskState.READY else "ZRANGE", place, 0, count - 1)


def _searched(keys: Keys) -> Talk[set[str]]:
    """Return the names of the queues that hold tasks, or whose bell has a token."""
    kinds = tuple(f"{keys.prefix}{kind}:" for kind in ("ready", "due", "bell"))
    pattern = "".join(f"\\{char}" if char in "*?[]^\\" else char for char in keys.prefix) + "*"
    names: set[str] = set()
    cursor: Any = 0
    for _ in range(SCANS):
        ((cursor, some),) = yield [("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_KEYS)]
        texts = (_text(key) for key in some)
        names |= {
            text.removeprefix(keys.prefix).partition(":")[2] for text in texts if text.startswith(kinds)
        }
        if int(cursor) == 0:
            break
    return names


def _count(keys: Keys, out: Sequence[QueueView]) -> Talk[None]:
    """Fill in the counts of places; those of a key of another kind are not known."""
    places = [(view, kind) for view in out for kind in _TYPES]
    named = [getattr(keys, kind)(view.name) for view, kind in places]
    types = yield [("TYPE", key) for key in named]
    right = [
        (view, kind, key)
        for (view, kind), key, found in zip(places, named, types, strict=True)
        if _bytes(found) in (_TYPES[kind], b"none")
    ]
    sizes = {"ready": "LLEN", "due": "ZCARD", "running": "HLEN"}
    counts = yield [(sizes[kind], key) for _, kind, key in right]
    heads = yield [("LINDEX", key, 0) for _, kind, key in right if kind == "ready"]
    (time,) = yield [("TIME",)]
    now_ms, ids = int(redis_ms(time)), iter(heads)
    for (view, kind, _), number in zip(right, counts, strict=True):
        setattr(view, "scheduled" if kind == "due" else kind, int(number))
        if kind == "ready":
            age = age_ms(next(ids), now_ms)
            view.oldest_ms = None if age < 0 else age


def _claims(keys: Keys, nodes: Iterable[bytes], out: Sequence[QueueView]) -> Talk[None]:
    workers = yield from workers_of(keys, nodes)
    counts = None
    if workers:
        (answer,) = yield [claimed(keys, workers, MOST_CLAIMS)]
        counts = claims_by_queue(answer)
    for view in out:
        view.claimed = counts[view.name] if counts is not None else None if workers else 0


def _text(name: bytes) -> str:
    return name.decode(errors="replace")


def _bytes(answer: object) -> bytes:
    return answer if isinstance(answer, bytes) else str(answer).encode()
