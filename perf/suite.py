"""All benchmarks: which figures each one produces, and the function that measures them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perf.figure import Figure
from perf.flow import backlog, drain, enqueue, idle, latency, memory, sleeps, startup
from perf.harness import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One group of figures that are measured together."""

    name: str
    figures: tuple[str, ...]
    run: Callable[[Plan], list[Figure]]


SUITE = (
    Benchmark(name="drain", figures=("drain_1", "drain_2", "redis_cpu"), run=drain.run),
    Benchmark(name="enqueue", figures=("bulk", "gather"), run=enqueue.run),
    Benchmark(name="sleeps", figures=("sleeps",), run=sleeps.run),
    Benchmark(
        name="latency",
        figures=("idle_latency_p50", "idle_latency_p99", "roundtrip", "delayed"),
        run=latency.run,
    ),
    Benchmark(name="idle", figures=("idle_traffic", "uss"), run=idle.run),
    Benchmark(name="memory", figures=("redis_memory",), run=memory.run),
    Benchmark(name="backlog", figures=("backlog",), run=backlog.run),
    Benchmark(name="startup", figures=("startup",), run=startup.run),
)


def chosen(names: Sequence[str]) -> list[Benchmark]:
    """Return the benchmarks that are named, by themselves or by a figure; all when none is named.

    ValueError for a name that is neither.
    """
    known = {name for benchmark in SUITE for name in (benchmark.name, *benchmark.figures)}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ValueError(
            f"no benchmark or figure is named {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    return [b for b in SUITE if not names or {b.name, *b.figures} & set(names)]
