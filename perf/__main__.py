"""`python -m perf`: measure the figures and hold them against their budgets.

Exits 1 when a figure misses its bound by more than its tolerance.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from perf import report
from perf.budgets import FILE, load
from perf.figure import Figure
from perf.harness import Plan, private_redis
from perf.suite import Benchmark, chosen


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.read is not None:
        figures, machine = report.figures_from(options.read.read_text("utf-8"))
    else:
        try:
            benchmarks = chosen(options.only)
        except ValueError as error:
            parser.error(str(error))
        plan = Plan(quick=options.quick, repeats=options.repeat or (3 if options.quick else 5))
        machine = _machine()
        before = psutil.cpu_times()
        figures = [figure for benchmark in benchmarks for figure in _measured(benchmark, plan)]
        machine["CPU time stolen by other machines"] = f"{_stolen(before, psutil.cpu_times()):.0%}"
    found = report.rows(figures, load(FILE.read_text("utf-8")))
    if options.json is not None:
        options.json.write_text(report.as_json(found, machine), "utf-8")
    if options.readme is not None:
        text = options.readme.read_text("utf-8")
        options.readme.write_text(report.with_table(text, report.markdown(found, machine)), "utf-8")
    print(report.markdown(found, machine) if options.markdown else report.table(found))
    return 1 if report.missed(found) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m perf", description="measure tqd against its budgets")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME",
        help="these groups (flow, fleet), benchmarks or figures only",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="smaller amounts: a few minutes in all")
    parser.add_argument("--repeat", type=int, metavar="N", help="paired readings of a ratio (5; quick: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all readings to a file")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the table between its marks there")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing, show an earlier --json")
    return parser


def _measured(benchmark: Benchmark, plan: Plan) -> list[Figure]:
    began = time.monotonic()
    # What earlier benchmarks left in this process is nothing that a collection in this one should walk.
    gc.collect()
    gc.freeze()
    figures = benchmark.run(plan)
    names = tuple(figure.name for figure in figures)
    if names != benchmark.figures:
        raise RuntimeError(f"{benchmark.name} produced {names}, expected {benchmark.figures}")
    print(f"{benchmark.name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return figures


def _stolen(before: Any, after: Any) -> float:
    """Return the share of all CPU time that the host gave to others: above some 2 %, measure again."""
    passed = sum(after[:8]) - sum(before[:8])
    return float(after.steal - before.steal) / passed if passed else 0.0


def _machine() -> dict[str, str]:
    with private_redis() as server:
        info = server.client.info("server")
    engine = "Valkey" if "valkey_version" in info else "Redis"
    return {
        "measured": time.strftime("%Y-%m-%d"),
        "cores": str(len(os.sched_getaffinity(0))),
        "Python": platform.python_version(),
        engine: str(info.get("valkey_version", info["redis_version"])),
        "load at start": f"{os.getloadavg()[0]:.2f}",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
