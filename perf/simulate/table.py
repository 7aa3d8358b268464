"""The contest as a table, and what it says against the bounds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from perf.simulate.contest import DEFAULTS, ORACLE, OWN, Result, best_baseline
from perf.simulate.traces import Load

BEGIN, END = "<!-- simulate:begin -->", "<!-- simulate:end -->"
COSTLIEST = 1.1
MOST_FLAPS = 2
PRICED = ("diurnal", "spike trains")
"""The traces on which worker-hours are held against the oracle's."""

Results = Mapping[str, Result]
"""The results on one trace, by policy; the oracle's is first."""


def markdown(contests: Sequence[tuple[Load, Results]]) -> str:
    """Return a line for each trace and a column for each policy."""
    policies = list(contests[0][1])
    heads = ["fixed, oracle" if name == ORACLE else name for name in policies]
    lines = [f"| trace | {' | '.join(heads)} |", f"|---|{'---|' * len(policies)}"]
    for load, results in contests:
        hours = results[ORACLE].worker_hours
        cells = [_cell(results[name], hours) for name in policies]
        lines.append(f"| {load.name}: {load.what} | {' | '.join(cells)} |")
    lines += ["", *_notes(contests)]
    return "\n".join(lines)


def _cell(one: Result, oracle_hours: float) -> str:
    parts = [f"{one.miss_s:,.0f} s", f"{one.worker_hours / oracle_hours:.2f}"]
    parts.append(f"{one.workers} workers" if one.workers is not None else f"{one.flaps_per_hour:.1f}")
    if one.kills:
        parts.append(f"**{one.kills} killed**")
    return " · ".join(parts)


def _notes(contests: Sequence[tuple[Load, Results]]) -> Iterator[str]:
    missed = against(contests)
    if missed:
        yield "What misses its bound: " + "; ".join(missed) + "."
    day = next((results[DEFAULTS] for load, results in contests if load.name == "diurnal"), None)
    if day is not None:
        tasks_per_s = day.tasks / day.cpu_s
        yield (
            f"The diurnal day, {day.tasks:,} tasks and {day.asked:,} decisions of tqd's defaults, took "
            f"{day.cpu_s:.1f} s of one core: {tasks_per_s:,.0f} tasks/s."
        )


def against(contests: Sequence[tuple[Load, Results]]) -> list[str]:
    """Return what tqd's policy misses of the bounds, trace by trace."""
    found = []
    for load, results in contests:
        own, best, cost = results[OWN], best_baseline(results), results[ORACLE].worker_hours
        if best is not None and own.miss_s > best.miss_s:
            found.append(f"{load.name}: {own.miss_s:,.0f} s, {best.policy} {best.miss_s:,.0f} s")
        if load.name in PRICED and own.worker_hours > COSTLIEST * cost:
            found.append(
                f"{load.name}: {own.worker_hours / cost:.2f} of the oracle's hours, bound {COSTLIEST}"
            )
        if own.flaps_per_hour > MOST_FLAPS:
            found.append(f"{load.name}: {own.flaps_per_hour:.1f} flaps per hour, bound {MOST_FLAPS}")
        if own.kills:
            found.append(f"{load.name}: {own.kills} workers killed for want of memory")
    return found


def with_table(text: str, table: str) -> str:
    """Return a document with the table between its marks; ValueError when it has none."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} and {END} to write between")
    return f"{head}{begin}\n{table}\n{end}{tail}"
