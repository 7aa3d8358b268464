"""What limits a queue: how many tasks may wait, run at once, and start in a time. Values only.

The configuration says it, Redis has it as a text, and the scripts read that: whoever enqueues or claims
anywhere is bound by what Redis has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tqd.task.model import DEFAULT_QUEUES

MOST_RUNNING = 1000
"""The largest limit of concurrency: when it is reached, a claim looks at everything that runs."""

WINDOW_MS = 10_000
"""The length of the windows in which is counted how many tasks are taken from a queue with a depth."""

_SMOOTH_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimit:
    """The limits of one queue, over all workers and producers of the namespace; 0 is none.

    `max_depth`: tasks that wait, ready and scheduled. `concurrency`: tasks that run at once. `rate_per_s`:
    starts per second; up to `burst` at once after a pause.
    """

    queue: str
    max_depth: int = 0
    concurrency: int = 0
    rate_per_s: float = 0.0
    burst: int = 0

    @property
    def bucket(self) -> int:
        """Return the burst that counts: the one that was set, else a tenth of a second's worth."""
        return self.burst or max(1, math.ceil(self.rate_per_s * _SMOOTH_S))

    def record(self) -> str:
        """Return what the scripts read, without the name of who says so."""
        return f"{self.max_depth}:{self.concurrency}:{self.rate_per_s:.6f}:{self.bucket}"

    def __str__(self) -> str:
        rate = f"{self.rate_per_s:g}/s" if self.rate_per_s else ""
        pairs = {
            "max_depth": self.max_depth,
            "concurrency": self.concurrency,
            "rate": rate,
            "burst": self.burst,
        }
        return f"{self.queue}: " + ", ".join(f"{name} {value}" for name, value in pairs.items() if value)


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
        limit = QueueLimit(
            queue=queue,
            max_depth=int(depth),
            concurrency=int(concurrency),
            rate_per_s=float(rate),
            burst=int(burst),
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
