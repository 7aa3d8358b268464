"""What became of the tasks, from the journal that they keep themselves. Pure.

Nothing that tqd counts is asked: a task is done when its last line ran, and was run twice when its first
line ran twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from perf.tasks import BEGAN, ENDED

NS = 1e-9
"""Seconds in a nanosecond."""


class Entry(NamedTuple):
    """One entry of the journal: `word` is BEGAN or ENDED, `at_ns` monotonic, the same in all processes."""

    number: int
    fence: int
    pid: int
    word: int
    at_ns: int


def begun(entries: Iterable[Entry]) -> set[int]:
    """Return the tasks of which an attempt began."""
    return {entry.number for entry in entries if entry.word == BEGAN}


def ended(entries: Iterable[Entry]) -> set[int]:
    """Return the tasks of which an attempt came to its end."""
    return {entry.number for entry in entries if entry.word == ENDED}


def run_twice(entries: Iterable[Entry]) -> set[int]:
    """Return the tasks of which more than one attempt began."""
    counts = Counter(entry.number for entry in entries if entry.word == BEGAN)
    return {number for number, count in counts.items() if count > 1}


def held(entries: Iterable[Entry], pid: int) -> set[int]:
    """Return the tasks that a process has begun and not ended."""
    found: set[int] = set()
    for entry in entries:
        if entry.pid == pid:
            (found.add if entry.word == BEGAN else found.discard)(entry.number)
    return found


def begun_elsewhere(entries: Iterable[Entry], numbers: set[int], pid: int) -> dict[int, int]:
    """Return when tasks began in another process than `pid` after they had begun there, in ns."""
    began: set[int] = set()
    found: dict[int, int] = {}
    for entry in entries:
        if entry.word != BEGAN or entry.number not in numbers:
            continue
        if entry.pid == pid:
            began.add(entry.number)
        elif entry.number in began:
            found.setdefault(entry.number, entry.at_ns)
    return found


def first_after(entries: Iterable[Entry], since_ns: int) -> int | None:
    """Return when the first task began after a moment, in ns; None when none did."""
    return min((e.at_ns for e in entries if e.word == BEGAN and e.at_ns > since_ns), default=None)


def waits_ms(entries: Iterable[Entry], asked_ns: Mapping[int, int]) -> list[float]:
    """Return ms from the call that enqueued each task to its first line."""
    first: dict[int, int] = {}
    for entry in entries:
        if entry.word == BEGAN:
            first[entry.number] = min(entry.at_ns, first.get(entry.number, entry.at_ns))
    return [(first[number] - at_ns) * NS * 1e3 for number, at_ns in asked_ns.items() if number in first]
