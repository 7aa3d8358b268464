"""All benchmarks: which figures each one produces, and the function that measures them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perf.figure import Figure
from perf.fleet import (
    blocked_loop,
    crowd,
    due_burst,
    idle_stop,
    keeper_kill,
    poison,
    redis_pause,
    reload,
    scaling,
    worker_kill,
)
from perf.flow import backlog, drain, enqueue, idle, latency, memory, sleeps, startup
from perf.harness import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Some figures that are measured together. `group` is the folder: flow or fleet."""

    group: str
    name: str
    figures: tuple[str, ...]
    run: Callable[[Plan], list[Figure]]


SUITE = (
    Benchmark(group="flow", name="drain", figures=("drain_1", "drain_2", "redis_cpu"), run=drain.run),
    Benchmark(group="flow", name="enqueue", figures=("bulk", "gather"), run=enqueue.run),
    Benchmark(group="flow", name="sleeps", figures=("sleeps",), run=sleeps.run),
    Benchmark(
        group="flow",
        name="latency",
        figures=("idle_latency_p50", "idle_latency_p99", "roundtrip", "delayed"),
        run=latency.run,
    ),
    Benchmark(group="flow", name="idle", figures=("idle_traffic", "uss"), run=idle.run),
    Benchmark(group="flow", name="memory", figures=("redis_memory",), run=memory.run),
    Benchmark(group="flow", name="backlog", figures=("backlog",), run=backlog.run),
    Benchmark(group="flow", name="startup", figures=("startup",), run=startup.run),
    Benchmark(
        group="fleet",
        name="reload",
        figures=(
            "reload_lost",
            "reload_twice",
            "reload_ready",
            "reload_refused",
            "reload_time",
            "reload_wait",
            "reload_load",
        ),
        run=reload.run,
    ),
    Benchmark(group="fleet", name="worker_kill", figures=("worker_kill",), run=worker_kill.run),
    Benchmark(group="fleet", name="due_burst", figures=("due_burst", "due_burst_wrong"), run=due_burst.run),
    Benchmark(
        group="fleet", name="keeper_kill", figures=("keeper_kill", "keeper_kill_tasks"), run=keeper_kill.run
    ),
    Benchmark(
        group="fleet",
        name="redis_pause",
        figures=("redis_pause_status", "redis_pause_resume", "redis_pause_tasks"),
        run=redis_pause.run,
    ),
    Benchmark(
        group="fleet",
        name="poison",
        figures=("poison_deaths", "poison_neighbours", "poison_time"),
        run=poison.run,
    ),
    Benchmark(group="fleet", name="blocked_loop", figures=("blocked_loop",), run=blocked_loop.run),
    Benchmark(group="fleet", name="idle_stop", figures=("idle_stop",), run=idle_stop.run),
    Benchmark(
        group="fleet",
        name="scaling",
        figures=("scale_step", "scale_zero", "scale_decision"),
        run=scaling.run,
    ),
    Benchmark(group="fleet", name="crowd", figures=("master_cpu", "pss"), run=crowd.run),
)


def chosen(names: Sequence[str]) -> list[Benchmark]:
    """Return the benchmarks that are named, by group, name or figure; all when none is named.

    ValueError for a name that is none of these.
    """
    known = {name for benchmark in SUITE for name in _names(benchmark)}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ValueError(
            f"no group, benchmark or figure is named {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    return [benchmark for benchmark in SUITE if not names or _names(benchmark) & set(names)]


def _names(benchmark: Benchmark) -> set[str]:
    return {benchmark.group, benchmark.name, *benchmark.figures}
