"""What limits a queue: how many tasks may wait, run at once, and start in a time. Values only.

The configuration says it, Redis has it as a text, and the scripts read that: whoever enqueues or claims
anywhere is bound by what Redis has.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from tqd.task.model import DEFAULT_QUEUES

MOST_RUNNING = 1000
"""The largest limit of concurrency: when it is reached, a claim looks at everything that runs."""

WINDOW_MS = 10_000
"""The length of the windows in which is counted how many tasks are taken from a queue with a depth."""

_SMOOTH_S = 0.1
_OF_KEYS = re.compile(r"k(\d+):([\d.]+):(\d+):(.*)", re.DOTALL)
"""What stands before the publisher when keys have limits; to those who do not know of it, a part of him."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimit:
    """The limits of one queue, over all workers and producers of the namespace; 0 is none.

    `max_depth`: tasks that wait, ready and scheduled. `concurrency`: tasks that run at once. `rate_per_s`:
    starts per second; up to `burst` at once after a pause. `key_…`: the same for the tasks of each limit key.
    """

    queue: str
    max_depth: int = 0
    concurrency: int = 0
    rate_per_s: float = 0.0
    burst: int = 0
    key_concurrency: int = 0
    key_rate_per_s: float = 0.0
    key_burst: int = 0

    @property
    def bucket(self) -> int:
        """Return the burst that counts: the one that was set, else a tenth of a second's worth."""
        return _bucket(self.burst, self.rate_per_s)

    @property
    def key_bucket(self) -> int:
        """Return the burst of each key that counts."""
        return _bucket(self.key_burst, self.key_rate_per_s)

    def record(self) -> str:
        """Return what the scripts read, without the name of who says so."""
        text = f"{self.max_depth}:{self.concurrency}:{self.rate_per_s:.6f}:{self.bucket}"
        if not (self.key_concurrency or self.key_rate_per_s):
            return text
        return f"{text}:k{self.key_concurrency}:{self.key_rate_per_s:.6f}:{self.key_bucket}"

    def __str__(self) -> str:
        pairs = {
            "max_depth": self.max_depth,
            "concurrency": self.concurrency,
            "rate": _per_s(self.rate_per_s),
            "burst": self.burst,
            "key_concurrency": self.key_concurrency,
            "key_rate": _per_s(self.key_rate_per_s),
            "key_burst": self.key_burst,
        }
        return f"{self.queue}: " + ", ".join(f"{name} {value}" for name, value in pairs.items() if value)


def _bucket(burst: int, rate_per_s: float) -> int:
    return burst or max(1, math.ceil(rate_per_s * _SMOOTH_S))


def _per_s(rate: float) -> str:
    return f"{rate:g}/s" if rate else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueWeight:
    """The share of one queue in the weighted order, compared with the others'."""

    queue: str
    weight: float

    def __str__(self) -> str:
        return f"{self.queue} {self.weight:g}"


DEFAULT_WEIGHTS = tuple(
    QueueWeight(queue=queue, weight=weight)
    for queue, weight in zip(DEFAULT_QUEUES, (3.0, 1.0, 0.3), strict=True)
)
OTHER_WEIGHT = 1.0
"""The weight of a queue that nobody has given one."""


def read_limit(queue: str, record: bytes) -> tuple[QueueLimit, str] | None:
    """Return the limits in a record of Redis and who published them; None when it is none of ours."""
    try:
        depth, concurrency, rate, burst, publisher = record.decode().split(":", 4)
        of_keys = _OF_KEYS.fullmatch(publisher)
        key_concurrency, key_rate, key_burst, publisher = (
            of_keys.groups() if of_keys else (0, 0, 0, publisher)
        )
        limit = QueueLimit(
            queue=queue,
            max_depth=int(depth),
            concurrency=int(concurrency),
            rate_per_s=float(rate),
            burst=int(burst),
            key_concurrency=int(key_concurrency),
            key_rate_per_s=float(key_rate),
            key_burst=int(key_burst),
        )
    except ValueError:
        return None
    return limit, publisher


def taken_per_s(flow: bytes, now_ms: int) -> float | None:
    """Return how many tasks per second were taken lately; None when nothing is known of it.

    `flow` is `window:taken in it:taken in the one before`. What is measured is the current window and,
    when something was taken in it, the one before: 1 to 20 s.
    """
    try:
        window, count, before = map(int, flow.split(b":"))
    except ValueError:
        return None
    now_window, into_ms = divmod(now_ms, WINDOW_MS)
    if window == now_window - 1:
        count, before = 0, count
    elif window != now_window:
        return None
    span_s = max(1.0, into_ms / 1000) + (WINDOW_MS / 1000 if before else 0.0)
    return (count + before) / span_s or None
