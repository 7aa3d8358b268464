"""`python -m tests.chaos`: the long chaos. Runs seeds, prints a table; exits 1 when a promise was broken."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos import report
from tests.chaos.outcome import Outcome
from tests.chaos.run import run
from tests.support.engines import engines


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; returns the exit code."""
    options = _parser().parse_args(arguments)
    machine = _machine()
    outcomes: list[Outcome] = []
    if options.read is not None:
        outcomes, machine = report.outcomes_from(options.read.read_text("utf-8"))
    failures: dict[int, str] = {}
    began = time.monotonic()
    clean = {outcome.seed for outcome in outcomes if outcome.clean}
    outcomes = [outcome for outcome in outcomes if outcome.clean]
    wanted = [seed for seed in range(options.first, options.first + options.seeds) if seed not in clean]
    for seed, found in _runs(wanted, options.jobs):
        if isinstance(found, Outcome):
            outcomes.append(found)
            said = "clean" if found.clean else f"{found.verdict} {found.early} {found.findings}"
            if not found.clean:
                _keep(options.evidence, seed, "\n".join([said, *found.evidence]))
        else:
            failures[seed] = said = found
            _keep(options.evidence, seed, found)
        if options.json is not None:
            options.json.write_text(report.as_json(outcomes, failures, machine), "utf-8")
        print(f"{time.monotonic() - began:.0f} s: seed {seed}: {said}", file=sys.stderr, flush=True)
    if options.readme is not None:
        text = options.readme.read_text("utf-8")
        options.readme.write_text(
            report.with_table(text, report.markdown(outcomes, machine, len(failures))), "utf-8"
        )
    print(report.table(outcomes, len(failures)))
    return 0 if not failures and all(outcome.clean for outcome in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="break everything, keep account"
    )
    parser.add_argument("--seeds", type=int, default=30, metavar="N", help="how many runs (30)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first one's seed (1)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at the same time (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the table between its marks there")
    parser.add_argument(
        "--evidence", type=Path, metavar="DIR", help="keep what is known about broken promises"
    )
    parser.add_argument(
        "--read", type=Path, metavar="FILE", help="take the clean runs of an earlier --json over"
    )
    return parser


def _runs(seeds: list[int], jobs: int) -> Iterator[tuple[int, Outcome | str]]:
    # Each run in a process of its own: its threads and sockets end with it.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        waiting = {pool.submit(run, seed): seed for seed in seeds}
        for future in as_completed(waiting):
            try:
                yield waiting[future], future.result()
            except AssertionError as error:
                yield waiting[future], str(error)


def _keep(directory: Path | None, seed: int, text: str) -> None:
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"seed-{seed}.txt").write_text(text, "utf-8")


def _machine() -> dict[str, str]:
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "cores": str(os.cpu_count()),
        "Python": platform.python_version(),
        "server": engines()[0].name,
        "load at start": f"{os.getloadavg()[0]:.2f}",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
