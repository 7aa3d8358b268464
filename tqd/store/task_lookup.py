"""Looking at tasks as conversations: one by its id, or some of a queue. No I/O of its own; changes nothing.

Every read is bounded: a list is looked through for 1000 ids, of workers and daemons 256 each are asked,
and the names of parked tasks are searched among some 100,000 keys. What is found is a picture put together
from several exchanges, and not a lock: a task may have moved meanwhile, and is then looked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tqd.errors import WireError
from tqd.store.connection import redis_ms, whole_ms
from tqd.store.keys import Keys
from tqd.store.lines import held_back
from tqd.store.talk import Talk
from tqd.task.cancelling import CancelMark, read_mark
from tqd.task.claim import Counts, parse_token
from tqd.task.model import TaskState
from tqd.task.uniqueness import shown
from tqd.wire.dead_letter import MOST_BYTES, DeadLetter, read_letter
from tqd.wire.envelope import Envelope, decode_envelope
from tqd.wire.records import ResultRecord

DEPTH = 1000
"""How far a list is looked through for one id."""

MOST_LISTED = 1000
MOST_WORKERS = 256
LOOKS = 3
"""How often a task is looked for that is on its way from one place to another."""

SCANS, SCAN_KEYS = 100, 1000


@dataclass(slots=True, kw_only=True)
class TaskView:
    """What is known of one task; times are Redis's clock in epoch ms, 0 where there is none.

    `state` is None when it has a payload and is in no place that was found. `place` is as in Redis:
    `ready:default`, `claims:<worker>`. `position` counts from 1 among the ready tasks, or the suspects, of
    a queue; 0: not known. `counts` are None for a task that was never given back, retried or replayed.
    `envelope` is None when it cannot be read (`problem`) or is gone. `mark`: somebody has asked for its end.
    `unique` is the key that it holds, `held_by` the limit key whose limits hold it back.
    """

    id: str
    state: TaskState | None = None
    place: str = ""
    queue: str = ""
    position: int = 0
    due_ms: int = 0
    worker: str = ""
    now_ms: int = 0
    counts: Counts | None = None
    envelope: Envelope | None = None
    problem: str = ""
    result: ResultRecord | None = None
    letter: DeadLetter | None = None
    replays: int = 0
    replayed_ms: int = 0
    mark: CancelMark | None = None
    unique: str = ""
    held_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Tasks of some queues; with `more` there are others that are not among them."""

    tasks: list[TaskView] = field(default_factory=list)
    more: bool = False


def show(keys: Keys, identity: bytes) -> Talk[TaskView | None]:
    """Find out all about a task; None when there is no trace of it."""
    for _ in range(LOOKS):
        view = TaskView(id=identity.hex())
        time, payload, dead, record, letter, counts, note, mark, key = yield [
            ("TIME",),
            ("HGET", keys.task, identity),
            ("ZSCORE", keys.dead, identity),
            ("GET", keys.result(identity)),
            ("HGET", keys.failure, identity),
            ("HGET", keys.attempts, identity),
            ("HMGET", keys.replay(identity), "count", "ms"),
            ("HGET", keys.cancels, identity),
            ("HGET", keys.keyed, identity),
        ]
        view.now_ms = int(redis_ms(time))
        view.counts = _counts(counts)
        view.replays, view.replayed_ms = _number(note[0]), _number(note[1])
        view.mark = None if mark is None else read_mark(mark)
        view.unique = "" if key is None else shown(key)
        _read_result(view, record)
        if payload is None:
            return _ended(view, identity, dead, letter)
        _read_payload(view, payload)
        yield from _find(keys, identity, view)
        if view.state is not None:
            break
    return view


def listed(keys: Keys, queues: Sequence[str], state: TaskState | None, limit: int) -> Talk[Listed]:
    """List up to `limit` (at most 1000) tasks of the queues, in a state, or in any but done and dead."""
    limit = min(limit, MOST_LISTED)
    found: list[TaskView] = []
    more = False
    if state in (None, TaskState.CLAIMED):
        more |= yield from _claimed(keys, queues, limit, found)
    if state in (None, TaskState.READY):
        more |= yield from _listed(keys.ready, TaskState.READY, queues, limit, found)
        more |= yield from _lined(keys, queues, limit, found)
    if state in (None, TaskState.SCHEDULED):
        more |= yield from _scheduled(keys, queues, limit, found)
    if state in (None, TaskState.SUSPECT):
        more |= yield from _listed(keys.suspect, TaskState.SUSPECT, queues, limit, found)
    if state in (None, TaskState.PARKED):
        more |= yield from _parked(keys, limit, found)
    yield from _fill(keys, found)
    wanted = set(queues)
    parked = TaskState.PARKED
    return Listed(
        tasks=[v for v in found if v.state is not parked or v.queue in wanted or not v.queue], more=more
    )


# -- one task -------------------------------------------------------------------------------------


def _ended(view: TaskView, identity: bytes, dead: float | None, letter: bytes | None) -> TaskView | None:
    if dead is not None:
        view.letter = read_letter(identity, int(min(max(dead, 0.0), 2.0**53)), letter)
        view.state, view.place, view.queue = TaskState.DEAD, "dead", view.letter.queue
        _read_payload(view, view.letter.envelope)
        return view
    if view.result is not None or view.problem:
        view.state = TaskState.DONE if view.result is None else view.result.state
        view.place = f"result:{view.id}"
        return view
    return None


def _find(keys: Keys, identity: bytes, view: TaskView) -> Talk[None]:
    """Look into every place where a living task can be."""
    task = view.envelope
    name, queue, key = (task.name, task.queue, task.limit_key) if task else ("", "", "")
    due, parked, suspect, ready, length, nodes, lined = yield [
        ("ZSCORE", keys.due(queue), identity),
        ("LPOS", keys.parked(name), identity, "MAXLEN", DEPTH),
        ("LPOS", keys.suspect(queue), identity, "MAXLEN", DEPTH),
        ("LPOS", keys.ready(queue), identity, "MAXLEN", DEPTH),
        ("LLEN", keys.ready(queue)),
        ("ZRANGE", keys.nodes, 0, MOST_WORKERS - 1),
        ("LPOS", keys.held(queue, key), identity, "MAXLEN", DEPTH),
    ]
    if due is not None:
        view.state, view.place, view.due_ms = TaskState.SCHEDULED, f"due:{queue}", whole_ms(due)
        return
    if parked is not None:
        view.state, view.place = TaskState.PARKED, f"parked:{name}"
        return
    if suspect is not None:
        view.state, view.place, view.position = TaskState.SUSPECT, f"suspect:{queue}", suspect + 1
        return
    if ready is not None:
        view.state, view.place, view.position = TaskState.READY, f"ready:{queue}", ready + 1
        return
    if lined is not None:
        view.state, view.place, view.position = TaskState.READY, f"held:{queue}:{key}", lined + 1
        view.held_by = key
        return
    workers = yield from workers_of(keys, nodes)
    held = yield [("HGET", keys.claims(worker), identity) for worker in workers]
    for worker, token in zip(workers, held, strict=True):
        if token is not None:
            view.state, view.place, view.worker = TaskState.CLAIMED, f"claims:{worker}", worker
            view.counts = _token(token)[0] or view.counts
            return
    if length > DEPTH and queue:
        view.state, view.place = TaskState.READY, f"ready:{queue}"


def workers_of(keys: Keys, nodes: Iterable[bytes]) -> Talk[list[str]]:
    """Return the workers that may hold something, also those that are lost and not yet taken back."""
    crews = yield [
        *(("SMEMBERS", keys.workers(_text(node))) for node in nodes),
        ("SRANDMEMBER", keys.lost, MOST_WORKERS),
    ]
    return list(dict.fromkeys(_text(worker) for crew in crews for worker in crew))[:MOST_WORKERS]


# -- some of many ---------------------------------------------------------------------------------


def _claimed(keys: Keys, queues: Sequence[str], limit: int, found: list[TaskView]) -> Talk[bool]:
    (nodes,) = yield [("ZRANGE", keys.nodes, 0, MOST_WORKERS - 1)]
    workers = yield from workers_of(keys, nodes)
    room = limit - len(found)
    for worker in workers:
        cursor: Any = 0
        for _ in range(SCANS):
            ((cursor, pairs),) = yield [("HSCAN", keys.claims(worker), cursor, "COUNT", 100)]
            for identity, token in _pairs(pairs):
                counts, queue = _token(token)
                if queue not in queues:
                    continue
                if room <= 0:
                    return True
                room -= 1
                place = f"claims:{worker}"
                view = TaskView(id=identity.hex(), state=TaskState.CLAIMED, place=place, queue=queue)
                view.worker, view.counts = worker, counts
                found.append(view)
            if int(cursor) == 0:
                break
    return False


def _listed(
    key: Callable[[str], str], state: TaskState, queues: Sequence[str], limit: int, found: list[TaskView]
) -> Talk[bool]:
    for queue in queues:
        room = limit - len(found)
        (ids,) = yield [("LRANGE", key(queue), 0, room)]
        for position, identity in enumerate(ids[:room], 1):
            view = TaskView(id=identity.hex(), state=state, place=f"{state.value}:{queue}", queue=queue)
            view.position = position
            found.append(view)
        if len(ids) > room:
            return True
    return False


def _lined(keys: Keys, queues: Sequence[str], limit: int, found: list[TaskView]) -> Talk[bool]:
    rows, more = yield from held_back(keys, queues, limit - len(found))
    for row in rows:
        view = TaskView(id=row.task_id.hex(), state=TaskState.READY, place=row.place, queue=row.queue)
        view.position, view.held_by = row.position, row.key
        found.append(view)
    return more


def _scheduled(keys: Keys, queues: Sequence[str], limit: int, found: list[TaskView]) -> Talk[bool]:
    for queue in queues:
        room = limit - len(found)
        (rows,) = yield [("ZRANGE", keys.due(queue), 0, room, "WITHSCORES")]
        for identity, due in rows[:room]:
            view = TaskView(id=identity.hex(), state=TaskState.SCHEDULED, place=f"due:{queue}", queue=queue)
            view.due_ms = whole_ms(due)
            found.append(view)
        if len(rows) > room:
            return True
    return False


def _parked(keys: Keys, limit: int, found: list[TaskView]) -> Talk[bool]:
    names: set[str] = set()
    cursor: Any = 0
    for _ in range(SCANS):
        ((cursor, some),) = yield [
            ("SCAN", cursor, "MATCH", _glob(keys.parked("")) + "*", "COUNT", SCAN_KEYS)
        ]
        names |= {_text(key).removeprefix(keys.parked("")) for key in some}
        if int(cursor) == 0:
            break
    for name in sorted(names):
        room = limit - len(found)
        (ids,) = yield [("LRANGE", keys.parked(name), 0, room)]
        found += [
            TaskView(id=identity.hex(), state=TaskState.PARKED, place=f"parked:{name}")
            for identity in ids[:room]
        ]
        if len(ids) > room:
            return True
    return int(cursor) != 0


def _fill(keys: Keys, found: Sequence[TaskView]) -> Talk[None]:
    """Read what the tasks are, 50 payloads at a time."""
    (time,) = yield [("TIME",)]
    now_ms = int(redis_ms(time))
    for first in range(0, len(found), 50):
        views = found[first : first + 50]
        ids = [bytes.fromhex(view.id) for view in views]
        payloads, counts = yield [("HMGET", keys.task, *ids), ("HMGET", keys.attempts, *ids)]
        for view, payload, record in zip(views, payloads, counts, strict=True):
            view.now_ms = now_ms
            view.counts = view.counts or _counts(record)
            _read_payload(view, payload)


# -- bytes ----------------------------------------------------------------------------------------


def _read_payload(view: TaskView, payload: bytes | None) -> None:
    if payload is None:
        view.problem = "it has no payload any more"
        return
    try:
        view.envelope = decode_envelope(payload, MOST_BYTES)
    except WireError as error:
        view.problem = f"its bytes cannot be read: {error}"
    else:
        view.queue = view.queue or view.envelope.queue


def _read_result(view: TaskView, record: bytes | None) -> None:
    if record is None:
        return
    try:
        view.result = ResultRecord.decode(record)
    except WireError as error:
        view.problem = f"its result cannot be read: {error}"


def _token(token: bytes) -> tuple[Counts | None, str]:
    try:
        return parse_token(token)
    except ValueError:
        return None, ""


def _counts(record: bytes | None) -> Counts | None:
    return None if record is None else _token(record + b":")[0]


def _number(digits: bytes | None) -> int:
    return int(digits) if digits is not None and digits.isdigit() and len(digits) <= 15 else 0


def _pairs(reply: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    fields = iter(reply)
    return zip(fields, fields, strict=False)


def _text(name: bytes) -> str:
    return name.decode(errors="replace")


def _glob(text: str) -> str:
    return "".join(f"\\{char}" if char in "*?[]^\\" else char for char in text)
