"""A trace: when tasks arrived, how long each ran, in which queue, under which name.

Read and written line by line, as CSV with a header or as JSONL with the same keys, in the order of arrival: a
trace of any length takes no memory. No files here: lines come in and go out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from sys import intern
from typing import NamedTuple

from tqd.errors import TraceError

COLUMNS = ("arrival_s", "run_s", "queue", "name")
LONGEST_S = 366 * 86_400.0
LONGEST_NAME = 200
LONGEST_LINE = 10_000
"""In characters; whoever reads a file need not read more of a line before handing it in."""

_EMPTY = f"a trace has a header, {','.join(COLUMNS)}, and at least one task"

Row = tuple[int, Sequence[object]]
"""The number of a line, and what it holds in the order of COLUMNS."""


class Arrival(NamedTuple):
    """One task of a trace: it came `arrival_s` after the trace began, and ran for `run_s`."""

    arrival_s: float
    run_s: float
    queue: str
    name: str


def read(lines: Iterable[str]) -> Iterator[Arrival]:
    """Yield the tasks of a trace: JSONL when the first line begins with a brace, else CSV.

    Raises TraceError, which names the line, what is there and the rule; also for a trace without tasks.
    """
    checked = _short(lines)
    first = next(checked, "")
    if not first:
        raise TraceError(1, "there is nothing", _EMPTY)
    every = chain([first], checked)
    rows = _json_rows(every) if first.lstrip().startswith("{") else _csv_rows(every)
    before_s = -1.0
    for number, values in rows:
        arrival = _arrival(number, values)
        if arrival.arrival_s < before_s:
            rule = f"tasks come in the order of arrival, the one before came at {before_s:g}: sort the trace"
            raise TraceError(number, f"arrival_s is {arrival.arrival_s:g}", rule)
        before_s = arrival.arrival_s
        yield arrival
    if before_s < 0:
        raise TraceError(1, "there are no tasks below it", _EMPTY)


def as_csv(arrivals: Iterable[Arrival]) -> Iterator[str]:
    """Yield the lines of a trace, with their line ends; `read` gives the same tasks back."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in chain([COLUMNS], arrivals):
        writer.writerow(row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _short(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise TraceError(number, "it goes on and on", f"a line has at most {LONGEST_LINE:,} characters")
        yield line


def _csv_rows(lines: Iterable[str]) -> Iterator[Row]:
    reader = csv.reader(lines)
    try:
        heads = [head.strip() for head in next(reader, [])]
        missing = [column for column in COLUMNS if column not in heads]
        if missing:
            found = f"the header is {','.join(heads)!r:.100}"
            rule = f"it names {', '.join(COLUMNS)}; what is missing: {', '.join(missing)}"
            raise TraceError(1, found, rule)
        places = [heads.index(column) for column in COLUMNS]
        for row in reader:
            if row:
                if len(row) != len(heads):
                    rule = f"as many as in the header: {len(heads)}"
                    raise TraceError(reader.line_num, f"there are {len(row)} values", rule)
                yield reader.line_num, [row[place] for place in places]
    except csv.Error as error:
        raise TraceError(reader.line_num, str(error), "a trace is CSV, or JSONL") from error


def _json_rows(lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TraceError(
                number, f"{line.strip()!r:.60}: {error}", "each line is a JSON object"
            ) from error
        if not isinstance(row, Mapping):
            raise TraceError(number, f"{line.strip()!r:.60}", "each line is a JSON object")
        missing = [column for column in COLUMNS if column not in row]
        if missing:
            raise TraceError(number, f"it has no {missing[0]}", f"each line has {', '.join(COLUMNS)}")
        yield number, [row[column] for column in COLUMNS]


def _arrival(number: int, values: Sequence[object]) -> Arrival:
    arrival_s, run_s, queue, name = values
    return Arrival(
        _seconds(number, "arrival_s", arrival_s),
        _seconds(number, "run_s", run_s),
        _word(number, "queue", queue),
        _word(number, "name", name),
    )


def _seconds(number: int, column: str, value: object) -> float:
    try:
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ValueError
        seconds = float(value)
    except (ValueError, OverflowError):
        seconds = -1.0
    if 0 <= seconds <= LONGEST_S:
        return seconds
    since = " since the trace began" if column == "arrival_s" else ""
    rule = f"it is a number of seconds{since}, 0 to {LONGEST_S:,.0f} (a year)"
    raise TraceError(number, f"{column} is {value!r:.60}", rule)


def _word(number: int, column: str, value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME:
        # A trace has many tasks and few names.
        return intern(value)
    rule = f"it is a name of 1 to {LONGEST_NAME} characters"
    raise TraceError(number, f"{column} is {value!r:.60}", rule)
