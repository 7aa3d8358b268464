"""How the tasks have run lately and in all, as plain data for the status: pure.

Durations are in s, shares from 0 to 1; null is what is not known: a rate of no time, a share of nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from tqd.master.telemetry import Telemetry
from tqd.metrics.histogram import Histogram
from tqd.metrics.measures import Measures
from tqd.metrics.windows import MINUTE, NAMES, Window, by_name, by_queue

MOST_TASKS = 50
"""Task names of a window that are shown, the most frequent ones."""

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def windows(telemetry: Telemetry, now: float) -> dict[str, object]:
    """Return what happened in the last minute, in the last five, and in the last fifteen."""
    return {name: _window(telemetry.windows.window(tier, now)) for name, tier in NAMES.items()}


def of_queues(telemetry: Telemetry, now: float) -> dict[str, dict[str, object]]:
    """Return what the last minute was like in each queue in which something happened."""
    window = telemetry.windows.window(MINUTE, now)
    return {name: _brief(one, window) for name, one in by_queue(window.measures).items()}


NOTHING: dict[str, object] = dict.fromkeys(("rate_per_s", "error_rate", "run_p95_s", "wait_p95_s"))


def tasks(telemetry: Telemetry) -> list[dict[str, object]]:
    """Return the totals of each task name since the daemon started, the most frequent first."""
    rows = sorted(telemetry.by_name().items(), key=lambda item: (-item[1].finished, item[0]))
    return [{"name": name, **_totals(one)} for name, one in rows]


def _totals(one: Measures) -> dict[str, object]:
    return {
        "done": one.done,
        "failed": one.failed,
        "retried": one.retried,
        "timed_out": one.timed_out,
        "discarded": one.discarded,
        "expired": one.expired,
        "released": one.released,
        "run_s": round(one.run_s, 6),
    }


def _window(window: Window) -> dict[str, object]:
    names = by_name(window.measures)
    shown = sorted(names, key=lambda name: (-names[name].finished, name))[:MOST_TASKS]
    use = window.utilization
    return {
        "span_s": round(window.span_s, 3),
        "worker_utilization": None if use is None else round(use, 4),
        **_lately(window.all(), window),
        "queues": {name: _lately(one, window) for name, one in sorted(by_queue(window.measures).items())},
        "tasks": {name: _lately(names[name], window) for name in shown},
    }


def _lately(one: Measures, window: Window) -> dict[str, object]:
    return {
        **_shares(one, window),
        "finished": one.finished,
        "failed": one.errors,
        "mean_run_s": one.mean_run_s,
        **_quantiles("run", one.runs, SHARES),
        **_quantiles("wait", one.waits, SHARES),
    }


def _brief(one: Measures, window: Window) -> dict[str, object]:
    worst = {"p95": SHARES["p95"]}
    return {
        **_shares(one, window),
        **_quantiles("run", one.runs, worst),
        **_quantiles("wait", one.waits, worst),
    }


def _shares(one: Measures, window: Window) -> dict[str, object]:
    rate, errors = window.per_s(one.finished), one.error_rate
    return {
        "rate_per_s": None if rate is None else round(rate, 3),
        "error_rate": None if errors is None else round(errors, 5),
    }


def _quantiles(what: str, times: Histogram, shares: Mapping[str, float]) -> dict[str, object]:
    return {f"{what}_{name}_s": times.quantile_s(share) for name, share in shares.items()}
