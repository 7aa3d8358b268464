"""What master and children tell each other over their pipes, as values.

A message is one frame: its tag, then its fields in order. State, not events: a message that is lost
because a pipe was full is made up for by the next one of its kind.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field, fields

from tqd.errors import Malformed
from tqd.task.claim import Blame
from tqd.wire.frames import encode_frame

MAX_TEXT = 3_500


@dataclass(frozen=True, slots=True)
class Ready:
    """A child is ready: it has imported the app and reached Redis."""

    redis_url: str
    namespace: str
    handlers: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A child could not start; it exits with `exit_code` next."""

    exit_code: int
    text: str


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker's state, each second. Counters are totals of this process.

    `lag_ms` is the loop's longest delay since the last beat. `claiming` is False while it is quiet or
    drains. `names` are the handlers in hand, the most frequent first: a bounded list of [name, count].
    `busy_slot_s` of `slot_s` were taken since the process began to serve.
    """

    slots: int
    busy: int
    done: int
    failed: int
    retried: int
    released: int
    superseded: int
    discarded: int
    expired: int
    lag_ms: float
    rss_bytes: int
    oldest_s: float
    claiming: bool
    names: list[list[object]]
    busy_slot_s: float
    slot_s: float


@dataclass(frozen=True, slots=True)
class HardDeadline:
    """The attempt in hand whose hard timeout ends first: sent when another one becomes the first.

    `left_s` from now on. Without any such attempt `task_id` is empty. `policy` is what decides about a
    failure when the worker cannot any more: [max_retries, retry_delay_s, max_retry_delay_s, result_ttl_s,
    deadline_s]. `cancelled`: somebody has cancelled the task, and the limit is the grace that it has to end.
    """

    task_id: bytes
    token: bytes
    name: str
    limit_s: float
    left_s: float
    policy: list[float]
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """The attempt that occupies the loop at this moment, and where: the answer to SIGUSR1.

    `place` is the innermost line of it, like `/srv/shop/tasks.py:12 in resize`.
    """

    task_id: bytes
    token: bytes
    name: str
    place: str
    policy: list[float]


@dataclass(frozen=True, slots=True)
class Holding:
    """The one attempt that a probe has in hand; without any, `task_id` is empty.

    `since`: when it began, on the monotonic clock, which all processes of a host share. `policy` as in
    `HardDeadline`.
    """

    task_id: bytes
    token: bytes
    name: str
    since: float
    policy: list[float]


@dataclass(frozen=True, slots=True)
class Doomed:
    """A worker's own code is about to end it, or may be: when the end follows at once, nobody else did it.

    The attempt for which that code runs; empty when it is not known.
    """

    task_id: bytes
    token: bytes


@dataclass(frozen=True, slots=True)
class Begun:
    """A worker has its first task in hand: what it dies of from now on may be a task."""


@dataclass(frozen=True, slots=True)
class KeeperBeat:
    """The keeper's state, each second. `reclaimed`: tasks it gave back since it started.

    `redis_down_s`: for how long Redis has not answered it, or has taken no writes; else 0.0. `suspects`:
    tasks that waited for a probe when it looked last.
    """

    reclaimed: int
    rss_bytes: int
    redis_down_s: float
    suspects: int = 0


@dataclass(frozen=True, slots=True)
class Sampled:
    """The queues, in the order of the configuration, and the number of dead letters.

    A row is [ready, scheduled, claimed, oldest_ms, paused, arrived, held, throttled]; -1: not known; what
    they mean stands at `QueueSample`: `paused`, `throttled` are 1 or 0, `arrived` how many tasks became
    ready so far, `held` how many of the ready ones wait for their keys. Instead of their names, which would
    not fit a frame, `names` is the `digest` of them; 0: not told. `nodes`: the daemons of the namespace,
    `workers`: all of theirs. `company` is what `Company` says of the others. `at` is when, in monotonic s.
    """

    queues: list[list[int]]
    dead: int
    nodes: int = -1
    workers: int = -1
    company: list[int] = field(default_factory=lambda: [-1] * 5)
    at: float = 0.0
    names: int = 0


@dataclass(frozen=True, slots=True)
class Drain:
    """Stop claiming, finish what ends within `grace_s`, give the rest back, exit."""

    grace_s: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """Claim nothing (True), or claim again (False). Running tasks go on either way."""

    quiet: bool


@dataclass(frozen=True, slots=True)
class ReopenLog:
    """Open the log file anew and write there from now on: it was moved away."""

    path: str


@dataclass(frozen=True, slots=True)
class WorkerUp:
    """A worker process exists: watch it in case the master dies first."""

    worker: str
    pid: int


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """A worker process has ended: take back what it held.

    `culprit` is empty, or the attempt for which the master killed it, to be settled as failed before the
    rest is taken back: [task_id, token, error type, error message, *policy] (see `HardDeadline`). `report`
    is what is known of the death that it caused. `blame` is what the death says of all that it held, when
    there is no culprit, or of the one task that is known to be the reason: the `suspect`.
    """

    worker: str
    culprit: list[object]
    report: str = ""
    blame: int = Blame.CRASH
    suspect: bytes = b""


@dataclass(frozen=True, slots=True)
class Declared:
    """A worker has published the schedules of its code: the keeper looks at them now."""


@dataclass(frozen=True, slots=True)
class Remember:
    """A part of what the master learnt, to be kept over restarts (to the keeper), or of what was kept (from
    it, once); see `parts`."""

    part: int
    last: bool
    data: bytes


MOST_DECISION_BYTES = 3_900
"""A longer one would not fit into a frame: it is in the log, and not in Redis."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A scaling decision, as JSON: to be kept in Redis (to the keeper), or noted there before (from it).

    It is the current one for `current_s`; without data there is none any more. `noted`: it also goes to the
    list of those that say something new.
    """

    data: bytes
    noted: bool = True
    current_s: int = 0


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Say how things are now: the keeper samples the queues, a worker beats."""


@dataclass(frozen=True, slots=True)
class Wanting:
    """How many workers the autoscaler wants, for `ttl_ms`; how long ago it grew and changed, -1: never."""

    workers: int
    grown_ms: int
    changed_ms: int
    ttl_ms: int


Message = (
    Ready | Failed | Beat | HardDeadline | Blocked | KeeperBeat | Sampled
    | Drain | Quiet | ReopenLog | WorkerUp | WorkerGone | SampleRequest | Holding | Doomed
    | Declared | Begun | Remember | Decided | Wanting
)  # fmt: skip

_KINDS: tuple[type[Message], ...] = (
    Ready, Failed, Beat, HardDeadline, Blocked, KeeperBeat, Sampled,
    Drain, Quiet, ReopenLog, WorkerUp, WorkerGone, SampleRequest, Holding, Doomed,
    Declared, Begun, Remember, Decided, Wanting,
)  # fmt: skip
_TAGS = {kind: tag for tag, kind in enumerate(_KINDS)}
_COUNTS = [len(fields(kind)) for kind in _KINDS]


def digest(names: Iterable[str]) -> int:
    """Return a number that tells one list of names from another."""
    return zlib.crc32("\n".join(names).encode(errors="backslashreplace"))


def encode_message(message: Message) -> bytes:
    """Return a message as one frame; ValueError when it exceeds the frame's limit."""
    return encode_frame([_TAGS[type(message)], *astuple(message)])


def decode_message(frame: object) -> Message:
    """Return the message of a frame; Malformed when it is none of ours."""
    known = isinstance(frame, list) and frame and type(frame[0]) is int and 0 <= frame[0] < len(_KINDS)
    if not isinstance(frame, list) or not known:
        raise Malformed(f"not a message: {frame!r:.80}")
    tag, *values = frame
    if len(values) != _COUNTS[tag]:
        raise Malformed(f"a {_KINDS[tag].__name__} has {_COUNTS[tag]} fields, this one {len(values)}")
    return _KINDS[tag](*values)
