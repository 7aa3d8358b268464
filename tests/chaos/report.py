"""What runs have come to: as a table for a terminal, as Markdown for the README, and as JSON. Pure."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from tests.chaos.account import Verdict
from tests.chaos.outcome import Outcome
from tests.chaos.plan import KINDS

BEGIN, END = "<!-- chaos:begin -->", "<!-- chaos:end -->"
LEASE_BOUND = ("daemon_kill", "daemon_stop")
"""Kinds whose recovery is a lease long: told apart by the lease that the run had."""

_HEAD = ("fault", "times", "p50", "p99", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of fault over all runs; `times_s` are sorted."""

    kind: str
    what: str
    count: int
    times_s: tuple[float, ...]


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Return a row for each kind that happened, those that wait for a lease once for each lease."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for outcome in outcomes:
        for kind, count in outcome.faults.items():
            lease = f" (lease {outcome.lease_s:g} s)" if kind in LEASE_BOUND else ""
            counts[kind, lease] += count
            times[kind, lease] += outcome.times_s.get(kind, [])
    return [
        Row(
            kind=kind + lease,
            what=KINDS[kind] + lease,
            count=count,
            times_s=tuple(sorted(times[kind, lease])),
        )
        for (kind, lease), count in sorted(
            counts.items(), key=lambda item: (list(KINDS).index(item[0][0]), item)
        )
    ]


def percentile(times_s: Sequence[float], share: float) -> float | None:
    """Return the smallest of sorted times that so many are not above; None without any."""
    return times_s[max(0, math.ceil(share * len(times_s)) - 1)] if times_s else None


def account(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return what became of all tasks of all runs; everything from `lost` on has to be 0."""
    verdicts = [outcome.verdict for outcome in outcomes]
    return {
        "runs": len(outcomes),
        "faults": sum(sum(outcome.faults.values()) for outcome in outcomes),
        "tasks": sum(outcome.tasks for outcome in outcomes),
        "attempts": sum(outcome.attempts for outcome in outcomes),
        "lost": sum(len(verdict.lost) for verdict in verdicts),
        "doubled": sum(len(verdict.doubled) for verdict in verdicts),
        "stuck": sum(len(verdict.stuck) for verdict in verdicts),
        "charged": sum(len(verdict.charged) for verdict in verdicts),
        "early": sum(len(outcome.early) for outcome in outcomes),
        "wrong results": sum(len(outcome.wrong_results) for outcome in outcomes),
        "audit findings": sum(len(outcome.findings) for outcome in outcomes),
    }


def table(outcomes: Sequence[Outcome], failures: int = 0) -> str:
    """Return the table for a terminal, and the account below it; `failures` are runs without an end."""
    cells = [_HEAD, *((row.kind, str(row.count), *_times(row)) for row in rows(outcomes))]
    widths = [max(len(cell[column]) for cell in cells) for column in range(len(_HEAD))]
    lines = ["  ".join(part.ljust(width) for part, width in zip(cell, widths, strict=True)) for cell in cells]
    said = ", ".join(f"{name} {count:,}" for name, count in account(outcomes).items())
    causes = ", ".join(f"{why} {count:,}" for why, count in _causes(outcomes).items())
    return "\n".join(
        [*(line.rstrip() for line in lines), "", said, f"extra attempts: {causes}", *_unended(failures)]
    )


def markdown(outcomes: Sequence[Outcome], machine: Mapping[str, str], failures: int = 0) -> str:
    """Return the same in words for readers who do not know the kinds' names."""
    lines = ["| what happened | times | work went on after, p50 | p99 | longest |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join((row.what, str(row.count), *_times(row)))} |" for row in rows(outcomes)]
    found = account(outcomes)
    lines += [
        "",
        f"In {found['runs']} runs with {found['faults']} faults, {found['tasks']:,} tasks were acknowledged: "
        f"**lost {found['lost']}, run twice without a cause {found['doubled']}, stuck {found['stuck']}**, "
        f"charged for what was not theirs {found['charged']}, too early {found['early']}, "
        f"wrong results {found['wrong results']}, findings of the audits {found['audit findings']}. "
        f"Extra attempts with a cause: {', '.join(f'{why} {n:,}' for why, n in _causes(outcomes).items())}.",
        *_unended(failures),
        "",
        "Machine: " + ", ".join(f"{key} {value}" for key, value in machine.items()) + ".",
    ]
    return "\n".join(lines)


def as_json(outcomes: Sequence[Outcome], failures: Mapping[int, str], machine: Mapping[str, str]) -> str:
    """Return everything, for machines. `failures` are seeds whose run did not come to its end → why."""
    document = {
        "machine": dict(machine),
        "account": account(outcomes),
        "extra_attempts": _causes(outcomes),
        "failures": dict(failures),
        "faults": [
            {
                "kind": row.kind,
                "count": row.count,
                "p50_s": percentile(row.times_s, 0.5),
                "p99_s": percentile(row.times_s, 0.99),
                "max_s": max(row.times_s, default=None),
                "times_s": row.times_s,
            }
            for row in rows(outcomes)
        ],
        "runs": [asdict(replace(outcome, evidence=())) for outcome in outcomes],
    }
    return json.dumps(document, indent=2) + "\n"


def outcomes_from(text: str) -> tuple[list[Outcome], dict[str, str]]:
    """Return the runs and the machine of a JSON report."""
    document = json.loads(text)
    runs = [Outcome(**(run | {"verdict": Verdict(**run["verdict"])})) for run in document["runs"]]
    return runs, document["machine"]


def with_table(text: str, written: str) -> str:
    """Return a document with the table between its two marks; ValueError when it has none."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} and {END} to write between")
    return f"{head}{begin}\n{written}\n{end}{tail}"


def _unended(failures: int) -> list[str]:
    return [f"**{failures} more runs did not come to their end.**"] if failures else []


def _times(row: Row) -> tuple[str, str, str]:
    found = (percentile(row.times_s, 0.5), percentile(row.times_s, 0.99), max(row.times_s, default=None))
    p50, p99, longest = ("–" if time_s is None else _spoken(time_s) for time_s in found)
    return p50, p99, longest


def _spoken(time_s: float) -> str:
    return f"{time_s:.1f} s" if time_s >= 1.0 else f"{time_s * 1000:.0f} ms"


def _causes(outcomes: Sequence[Outcome]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for outcome in outcomes:
        for why, count in outcome.verdict.explained.items():
            found[why] += count
    return dict(sorted(found.items()))
