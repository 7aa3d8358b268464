"""What the demo enqueues and when: pure, so that everybody knows what has to come back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tqd.cli import demo_tasks
from tqd.client.task_function import Call
from tqd.task.model import queues

FEED_S = 6.0
"""How long tasks are enqueued: evenly, so that there is something to see."""

SLOW, SLOW_S = 240, 0.5
FLAKY, MOST_FAILURES = 60, 2
DELAYED, LONGEST_DELAY_S = 60, 1.5
CPU, PRIMES_BELOW = 60, 3_000
RANKED, RANKED_S, BURST_AT_S = 80, 0.02, 1.2
BURST = (queues.LOW_PRIORITY, queues.DEFAULT, queues.HIGH_PRIORITY)
"""The burst's queues in the order in which they are enqueued: the least urgent first."""


class Kind(StrEnum):
    """The kinds of work."""

    FAST = "fast"
    SLOW = "slow"
    FLAKY = "flaky"
    DELAYED = "delayed"
    CPU = "cpu"
    RANKED = "ranked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One task: its number, when it is enqueued (s after the start), and what makes it special."""

    number: int
    kind: Kind
    at_s: float
    queue: str = queues.DEFAULT
    delay_s: float = 0.0
    failures: int = 0


def plan(fast: int) -> list[Work]:
    """Return all work in the order of enqueuing; the numbers are those from 0 up, each once."""
    rows: list[tuple[float, Kind, str, float, int]] = []
    for kind, count in ((Kind.FAST, fast), (Kind.SLOW, SLOW), (Kind.CPU, CPU)):
        rows += [(FEED_S * n / count, kind, queues.DEFAULT, 0.0, 0) for n in range(count)]
    for n in range(FLAKY):
        rows.append((FEED_S * n / FLAKY, Kind.FLAKY, queues.DEFAULT, 0.0, 1 + n % MOST_FAILURES))
    for n in range(DELAYED):
        delay_s = round(LONGEST_DELAY_S * (1 + n % 5) / 5, 3)
        rows.append((FEED_S * n / DELAYED, Kind.DELAYED, queues.DEFAULT, delay_s, 0))
    for queue in BURST:
        rows += [(BURST_AT_S, Kind.RANKED, queue, 0.0, 0)] * RANKED
    rows.sort(key=lambda row: row[0])
    return [
        Work(number=number, at_s=at_s, kind=kind, queue=queue, delay_s=delay_s, failures=failures)
        for number, (at_s, kind, queue, delay_s, failures) in enumerate(rows)
    ]


def call(work: Work) -> Call[None] | Call[int]:
    """Return the call that a work is enqueued as."""
    match work.kind:
        case Kind.FAST:
            return demo_tasks.fast.call(work.number)
        case Kind.SLOW:
            return demo_tasks.slow.call(work.number, SLOW_S)
        case Kind.FLAKY:
            return demo_tasks.flaky.call(work.number, work.failures)
        case Kind.DELAYED:
            return demo_tasks.fast.using(delay=work.delay_s).call(work.number)
        case Kind.CPU:
            return demo_tasks.primes.call(work.number, PRIMES_BELOW)
        case Kind.RANKED:
            return demo_tasks.slow.using(queue=work.queue).call(work.number, RANKED_S)
