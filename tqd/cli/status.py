"""`tqd status`: what the daemon is doing, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tqd.cli.daemon import ask, directory_of
from tqd.system import exits


def run(options: argparse.Namespace) -> int:
    """Print the status; 0 healthy, 1 degraded, 3 not running."""
    directory = directory_of(options)
    status = ask(directory, "status")
    if status is None:
        if options.json:
            print(json.dumps({"state": "not running", "runtime_dir": directory.path}))
        else:
            print(f"tqd is not running (runtime directory {directory.path})")
        return exits.NOT_RUNNING
    print(json.dumps(status, indent=2) if options.json else "\n".join(lines(status)))
    return exits.OK if status["state"] == "running" else exits.FAILURE


def lines(status: dict[str, Any]) -> list[str]:
    """Return the status as lines for a person."""
    master, totals = status["master"], status["totals"]
    out = [
        f"tqd {master['version']} is {status['state']}: {master['app']}, pid {master['pid']}, "
        f"up {_span(master['uptime_s'])}, node {master['node']}",
        *(f"  problem: {problem}" for problem in status["problems"]),
        f"tasks since start: {totals['done']:,} done, {totals['failed']:,} failed, "
        f"{totals['retried']:,} retried, {totals['reclaimed']:,} recovered; "
        f"run time p50 {_ms(totals['run_p50_s'])}, p95 {_ms(totals['run_p95_s'])}",
        "",
        f"{'worker':<14} {'pid':>8} {'state':<9} {'busy':>9} {'done':>11} {'failed':>8} "
        f"{'memory':>9} {'lag':>8}",
    ]
    out += [_worker(worker) for worker in status["workers"]]
    out += ["", f"{'queue':<24} {'ready':>11} {'scheduled':>11}"]
    out += [f"{q['name']:<24} {q['ready']:>11,} {q['scheduled']:>11,}" for q in status["queues"]]
    if status["dead_letters"] is not None:
        age = status["sampled_s_ago"]
        out.append(
            f"dead letters: {status['dead_letters']:,}" + (f" (as of {age:.0f} s ago)" if age > 1 else "")
        )
    else:
        out.append("the queues are not known: no sample from Redis yet")
    return out


def _worker(worker: dict[str, Any]) -> str:
    def shown(key: str, width: int, suffix: str = "") -> str:
        value = worker[key]
        return f"{'-' if value is None else format(value, ',') + suffix:>{width}}"

    slots = "-" if worker["slots"] is None else f"{worker['busy']}/{worker['slots']}"
    rss = worker["rss_bytes"]
    memory = "-" if rss is None else f"{rss / 1_048_576:.1f} MB"
    lag = "-" if worker["lag_ms"] is None else f"{worker['lag_ms']:.1f} ms"
    return (
        f"{worker['id']:<14} {worker['pid'] or '-':>8} {worker['state']:<9} {slots:>9} {shown('done', 11)} "
        f"{shown('failed', 8)} {memory:>9} {lag:>8}"
    )


def _span(seconds: float) -> str:
    minutes, s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {s} s" if minutes else f"{s} s"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.2f} ms"
