"""`tqd record FILE`: write down what runs in a namespace, as a trace for `tqd simulate`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, TextIO

from tqd.cli.redis_access import access
from tqd.clock import monotonic, pause
from tqd.errors import TqdError
from tqd.simulate.recorded import arrivals
from tqd.simulate.trace import as_csv
from tqd.store import recording
from tqd.system import exits

FETCH_EVERY_S = 1.0
LAST_WORDS_S = 1.5
"""At the end: how long the workers' last batch may be on its way."""


class NotRecorded(TqdError):
    """Raised when the file cannot be written, or somebody else records."""


def run(options: argparse.Namespace) -> int:
    """Record for a while, or until Ctrl-C; then write what ran. 1 when nothing did, 69 without Redis."""
    redis = access(options)
    if not redis.lead(recording.begin(redis.keys, f"{os.getpid()}")):
        raise NotRecorded("somebody else records here: one at a time; after a crash it ends in 15 s")
    try:
        file = _created(options.file)
    except NotRecorded:
        redis.lead(recording.end(redis.keys))
        raise
    with file:
        rows, left_out = _recorded(redis, options)
        found = arrivals(rows)
        for line in as_csv(found):
            file.write(line)
    print(f"{len(found):,} tasks were recorded in {options.file}" + _besides(left_out), file=sys.stderr)
    return exits.OK if found else exits.FAILURE


def _created(path: str) -> TextIO:
    try:
        return open(path, "x", encoding="utf-8")
    except FileExistsError:
        raise NotRecorded(f"{path} is there already: nothing is overwritten; name another file") from None
    except OSError as error:
        raise NotRecorded(f"{path} cannot be written: {error.strerror}") from error


def _recorded(redis: Any, options: argparse.Namespace) -> tuple[list[list[Any]], int]:
    rows: list[list[Any]] = []
    left_out, end = 0, monotonic() + options.duration
    print("the workers begin within ten seconds; Ctrl-C ends it sooner", file=sys.stderr)
    try:
        while monotonic() < end and len(rows) < options.most:
            pause(min(FETCH_EVERY_S, max(0.0, end - monotonic())))
            left_out += _fetch(redis, rows)
    except KeyboardInterrupt:
        print("", file=sys.stderr)
    pause(LAST_WORDS_S)
    left_out += _fetch(redis, rows)
    redis.lead(recording.end(redis.keys))
    surplus = max(0, len(rows) - options.most)
    return rows[: options.most], left_out + surplus


def _fetch(redis: Any, rows: list[list[Any]]) -> int:
    left_out = 0
    for more, batch in redis.lead(recording.fetch(redis.keys)):
        left_out += more
        rows += batch
    return left_out


def _besides(left_out: int) -> str:
    return f"; {left_out:,} more were too many" if left_out else ""
