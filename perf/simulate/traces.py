"""The traces: seeded generators, each of a load that is known to be hard on something.

They were written before tqd's own policy ran on any of them. All have workers of 4 slots, which take the
load to some 2 to 20 workers, and run times of some seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from random import Random

from tqd.simulate.shape import Memory, Outage, Shape
from tqd.simulate.trace import Arrival

SLOTS = 4
HOUR_S = 3600.0
_MB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One trace, and what befalls the daemon in it. `what` describes it for the reader of the table.

    `worker_mb` is what a worker may take in MB, where its tasks need more than the default allows.
    """

    name: str
    what: str
    arrivals: tuple[Arrival, ...]
    shape: Shape = field(default_factory=lambda: Shape(slots=SLOTS))
    worker_mb: float | None = None

    @property
    def seconds(self) -> float:
        """Return how long it lasts, to its last arrival."""
        return self.arrivals[-1].arrival_s


def steady() -> Load:
    """Return a load that does not change."""
    random = Random(1)
    moments = _poisson(random, 4 * HOUR_S, lambda now: 5.0, 5.0)
    return Load(name="steady", what="4 h, 5 tasks/s of 2 s", arrivals=_tasks(random, moments, "report", 2.0))


def diurnal() -> Load:
    """Return a day with a quiet night and a busy noon."""
    random = Random(2)

    def rate(now: float) -> float:
        return 0.5 + 2.75 * (1 - math.cos(2 * math.pi * now / (24 * HOUR_S)))

    moments = _poisson(random, 24 * HOUR_S, rate, 6.0)
    return Load(
        name="diurnal", what="24 h, 0.5 to 6 tasks/s of 4 s", arrivals=_tasks(random, moments, "report", 4.0)
    )


def step() -> Load:
    """Return a load that becomes ten times as much from one moment to the next, for an hour."""
    random = Random(3)

    def rate(now: float) -> float:
        return 10.0 if 0.5 * HOUR_S <= now < 1.5 * HOUR_S else 1.0

    moments = _poisson(random, 2 * HOUR_S, rate, 10.0)
    return Load(
        name="step ×10",
        what="2 h, 1 → 10 → 1 tasks/s of 2 s",
        arrivals=_tasks(random, moments, "report", 2.0),
    )


def spikes() -> Load:
    """Return a quiet load with a burst of tasks every quarter of an hour or so."""
    random = Random(4)
    quiet = list(_poisson(random, 4 * HOUR_S, lambda now: 1.0, 1.0))
    bursts: list[float] = []
    at_s = 600.0
    while at_s < 4 * HOUR_S - 300:
        bursts += [at_s + random.uniform(0, 5) for _ in range(random.randint(100, 400))]
        at_s += random.uniform(600, 1500)
    moments = merge(quiet, sorted(bursts))
    return Load(
        name="spike trains",
        what="4 h, 1 task/s of 2 s, bursts of 100 to 400",
        arrivals=_tasks(random, moments, "report", 2.0),
    )


def heavy_tailed() -> Load:
    """Return run times of which a few are hundreds of times as long as most (Pareto, up to 10 min)."""
    random = Random(5)
    moments = _poisson(random, 4 * HOUR_S, lambda now: 4.0, 4.0)
    arrivals = tuple(
        Arrival(at_s, min(600.0, random.paretovariate(1.4)), "default", "crawl") for at_s in moments
    )
    return Load(name="heavy tails", what="4 h, 4 tasks/s, Pareto 1 s to 10 min", arrivals=arrivals)


def refused() -> Load:
    """Return a dependency that refuses connections for a quarter of an hour: attempts fail at once."""
    outage = Outage(start_s=2700.0, end_s=3600.0, fails_after_s=0.05, names=frozenset({"charge"}))
    return _failing("dependency refuses", "2 h, 5 tasks/s of 2 s, 60 % fail at once for 15 min", 6, outage)


def timing_out() -> Load:
    """Return a dependency that does not answer for a quarter of an hour: attempts fail after 4 s."""
    outage = Outage(start_s=2700.0, end_s=3600.0, fails_after_s=4.0, names=frozenset({"charge"}))
    return _failing("dependency hangs", "the same, but they fail after 4 s", 7, outage)


def memory_hungry() -> Load:
    """Return tasks of 400 MB each, three times as many for 20 minutes, in a container of 8 GB."""
    random = Random(8)

    def rate(now: float) -> float:
        return 1.5 if 2400 <= now < 3600 else 0.5

    renders = _tasks(random, _poisson(random, 2 * HOUR_S, rate, 1.5), "render", 10.0)
    mails = _tasks(random, _poisson(random, 2 * HOUR_S, lambda now: 3.0, 3.0), "mail", 1.0)
    memory = Memory(
        worker_bytes=60 * _MB,
        task_bytes={"render": 400 * _MB, "mail": 2 * _MB},
        limit_bytes=8192 * _MB,
    )
    return Load(
        name="memory-hungry",
        what="2 h, 0.5 → 1.5 → 0.5 tasks/s of 10 s and 400 MB, limit 8 GB",
        arrivals=tuple(merge(renders, mails)),
        shape=Shape(slots=SLOTS, memory=memory),
        worker_mb=2048.0,
    )


def on_off() -> Load:
    """Return a load that is there for ten minutes, and gone for the next ten."""
    random = Random(9)

    def rate(now: float) -> float:
        return 8.0 if now % 1200 < 600 else 0.0

    moments = _poisson(random, 4 * HOUR_S, rate, 8.0)
    return Load(
        name="on/off", what="4 h, 8 tasks/s of 2 s or none", arrivals=_tasks(random, moments, "report", 2.0)
    )


LOADS: tuple[Callable[[], Load], ...] = (
    steady, diurnal, step, spikes, heavy_tailed, refused, timing_out, memory_hungry, on_off,
)  # fmt: skip


def _failing(name: str, what: str, seed: int, outage: Outage) -> Load:
    random = Random(seed)
    moments = _poisson(random, 2 * HOUR_S, lambda now: 5.0, 5.0)
    arrivals = tuple(
        Arrival(at_s, random.expovariate(1 / 2.0), "default", "charge" if random.random() < 0.6 else "mail")
        for at_s in moments
    )
    return Load(name=name, what=what, arrivals=arrivals, shape=Shape(slots=SLOTS, outages=(outage,)))


def _poisson(random: Random, seconds: float, rate: Callable[[float], float], most: float) -> Iterator[float]:
    """Yield the moments of arrivals at a rate that changes, `most` at most, by thinning."""
    now = random.expovariate(most)
    while now < seconds:
        if random.random() * most < rate(now):
            yield now
        now += random.expovariate(most)


def _tasks(random: Random, moments: Iterator[float], name: str, mean_s: float) -> tuple[Arrival, ...]:
    """Return a task for each moment, with exponential run times."""
    return tuple(Arrival(at_s, random.expovariate(1 / mean_s), "default", name) for at_s in moments)
