"""What master and children tell each other over their pipes, as values.

A message is one frame: its tag, then its fields in order. State, not events: a message that is lost
because a pipe was full is made up for by the next one of its kind.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

from tqd.errors import Malformed
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
    """A worker's state, each second. Counters are totals of this process; `runs` is since the last beat."""

    slots: int
    busy: int
    done: int
    failed: int
    retried: int
    released: int
    superseded: int
    lag_ms: float
    rss_bytes: int
    oldest_s: float
    runs: dict[int, int]


@dataclass(frozen=True, slots=True)
class KeeperBeat:
    """The keeper's state, each second. `reclaimed`: tasks it gave back since it started."""

    reclaimed: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """How many tasks are ready and scheduled in each queue, and the number of dead letters.

    In the order of the configuration and without names: 64 long ones would not fit a frame.
    """

    queues: list[list[int]]
    dead: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Stop claiming, finish what ends within `grace_s`, give the rest back, exit."""

    grace_s: float


@dataclass(frozen=True, slots=True)
class WorkerUp:
    """A worker process exists: watch it in case the master dies first."""

    worker: str
    pid: int


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """A worker process has ended: take back what it held."""

    worker: str


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Sample the queues now."""


Message = Ready | Failed | Beat | KeeperBeat | Sampled | Drain | WorkerUp | WorkerGone | SampleRequest

_KINDS: tuple[type[Message], ...] = (
    Ready, Failed, Beat, KeeperBeat, Sampled, Drain, WorkerUp, WorkerGone, SampleRequest,
)  # fmt: skip
_TAGS = {kind: tag for tag, kind in enumerate(_KINDS)}
_COUNTS = [len(fields(kind)) for kind in _KINDS]


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
