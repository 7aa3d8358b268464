"""`tqd record FILE`: write down what runs in a namespace, as a trace for `tqd simulate`."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TextIO

from tqd.cli.redis_access import Access, access
from tqd.clock import monotonic, pause, wall_ms
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


@dataclass(slots=True)
class _Tape:
    """What was fetched so far: the rows, how many more there were, and how often nobody recorded."""

    rows: list[list[Any]] = field(default_factory=list)
    left_out: int = 0
    gaps: int = 0
    whole: bool = False


def run(options: argparse.Namespace) -> int:
    """Record for a while, or until Ctrl-C; then write what ran. 1 when nothing did, 69 without Redis.

    When it cannot go on, what ran until then is written. Where nothing ran, no file is left.
    """
    redis, who = access(options), f"{os.getpid()}:{wall_ms()}"
    if not redis.lead(recording.begin(redis.keys, who)):
        raise NotRecorded("somebody else records here: one at a time; after a crash it ends in 15 s")
    try:
        file = _created(options.file)
    except NotRecorded:
        redis.lead(recording.end(redis.keys, who))
        raise
    tape, count = _Tape(), 0
    try:
        _record(redis, options, who, tape)
    finally:
        count = _write(file, options, tape)
    redis.lead(recording.end(redis.keys, who))
    return exits.OK if count else exits.FAILURE


def _created(path: str) -> TextIO:
    try:
        return open(path, "x", encoding="utf-8")
    except FileExistsError:
        raise NotRecorded(f"{path} is there already: nothing is overwritten; name another file") from None
    except OSError as error:
        raise NotRecorded(f"{path} cannot be written: {error.strerror}") from error


def _record(redis: Access, options: argparse.Namespace, who: str, tape: _Tape) -> None:
    end = monotonic() + options.duration
    print("the workers begin within ten seconds; Ctrl-C ends it sooner", file=sys.stderr)
    try:
        while monotonic() < end and len(tape.rows) < options.most:
            pause(min(FETCH_EVERY_S, max(0.0, end - monotonic())))
            _fetch(redis, who, tape)
    except KeyboardInterrupt:
        print("", file=sys.stderr)
    pause(LAST_WORDS_S)
    _fetch(redis, who, tape)
    tape.whole = True


def _fetch(redis: Access, who: str, tape: _Tape) -> None:
    held, batches = redis.lead(recording.fetch(redis.keys, who))
    if held is recording.Held.ANOTHERS:
        raise NotRecorded("somebody else records here since this one stood still for 15 s: one at a time")
    if held is recording.Held.ANEW:
        tape.gaps += 1
        print(
            "the recording was interrupted: this process stood still for 15 s, or Redis was emptied; "
            "the workers begin anew within ten seconds, and what runs meanwhile is missing",
            file=sys.stderr,
        )
    for more, batch in batches:
        tape.left_out += more
        tape.rows += batch


def _write(file: TextIO, options: argparse.Namespace, tape: _Tape) -> int:
    """Write the trace and say what it is, or remove the file; returns how many tasks ran."""
    found = arrivals(tape.rows[: options.most])
    with file:
        if found:
            file.writelines(as_csv(found))
    if not found:
        with suppress(OSError):
            os.unlink(options.file)
    print(_said(len(found), options, tape), file=sys.stderr)
    return len(found)


def _said(count: int, options: argparse.Namespace, tape: _Tape) -> str:
    if not count:
        why = "no worker has told of an attempt that ended"
        do = "they begin within ten seconds: see tqd status whether any have work, or record for longer"
        return f"nothing was recorded, and {options.file} is not written: {why}; {do}"
    left_out = tape.left_out + max(0, len(tape.rows) - options.most)
    return (
        f"{count:,} tasks were recorded in {options.file}"
        + (f"; {left_out:,} more were too many" if left_out else "")
        + ("; it has gaps" if tape.gaps else "")
        + ("" if tape.whole else "; it is cut short")
    )
