"""What a worker counts, in memory that outlives it: a page for each task name and queue, read by the master.

The worker writes into memory that it shares with the master, one 8-byte cell at a time; the master reads
whenever it likes, and once more after the worker's death. So no count waits to be told: a worker that is
killed takes none with it, a full pipe loses none, and no frame bounds how many names there may be. Bytes
in, bytes out: who makes the memory, and when it is read, is not said here. One process writes.

    header page   pages in use, settlements that came too late
    each page     counters, seconds, name, queue; histograms of the run times of attempts that ended well,
                  of those that ended otherwise, and of waits. How many ended well is the first one's sum.
"""

from __future__ import annotations

from typing import Any

from tqd.metrics.histogram import bucket_of

PAGE_CELLS = 592
MOST_PAGES = 512
"""Pairs of task name and queue that one worker counts apart; the last ones are kept for `OTHER` names."""

LEDGER_BYTES = (1 + MOST_PAGES) * PAGE_CELLS * 8
"""Address space. Memory is used by the header and the pages in use only: 5 kB each."""

OTHER = "(other)"
"""Stands for all names, or queues, that came after there was no page left."""

NO_HANDLER = "(no handler)"
"""The name under which tasks are counted that cannot be read, or whose name nobody knows where they ended."""

_KEPT_FOR_OTHER = 65
_MOST_KNOWN = 4 * MOST_PAGES  # whoever makes up names must not fill the memory with them

FAILED, RETRIED, ASKED, TIMED_OUT, DISCARDED, RELEASED, EXPIRED = range(7)
"""Counters. `FAILED`: dead letters. `RETRIED`: attempts with another one to follow, of which `ASKED` for it
without having failed. `TIMED_OUT` attempts are among the failed and the retried."""

COUNTERS = 7
RUN_S = 7
_NO_WAIT = 8
_NAME_BYTES, _QUEUE_BYTES = 14, 15
_NAME, _QUEUE = 16, 48
_TEXT_BYTES = 256

BUCKETS = 168
"""Of each histogram. The last one begins at 22 days, and takes what is longer."""

_DONE_RUNS = 80
_OTHER_RUNS = _DONE_RUNS + BUCKETS
_WAITS = _OTHER_RUNS + BUCKETS
_END = _WAITS + BUCKETS

_IN_USE, _SUPERSEDED = 0, 1
_TABLE = 8192
_SKEW_MS = 1000

# Most durations are short: a look into a table takes half as long as bucket_of does. Forked processes share
# the tables, and the few numbers in them.
_NUMBERS = tuple(range(PAGE_CELLS))
_RUN_CELLS = tuple(_NUMBERS[_DONE_RUNS + bucket_of(us)] for us in range(_TABLE))
SHORT_WAITS_MS = 4096
WAIT_CELLS = tuple(_NUMBERS[_WAITS + bucket_of(ms * 1000)] for ms in range(SHORT_WAITS_MS))
"""Where on a page waits from 0 ms on are counted; see `wait_cell` for others."""


def wait_cell(ms: int) -> int:
    """Return where on a page a wait in ms is counted: how long a task was ready before it was started.

    Its producer's clock may differ from Redis's: what is less than nothing by more than 1 s is no
    measurement, and counted where nobody looks.
    """
    return _WAITS + _bounded(ms * 1000) if ms > -_SKEW_MS else _NO_WAIT


class Page:
    """The counts of one task name in one queue. `first` is the token of a first attempt of that queue."""

    __slots__ = ("cells", "first", "name", "queue", "seconds")

    def __init__(self, name: str, queue: str, cells: memoryview[int], seconds: memoryview[float]) -> None:
        self.name = name
        self.queue = queue
        self.first = b"1:0:0:" + queue.encode(errors="surrogatepass")
        self.cells = cells
        self.seconds = seconds

    def add(self, counter: int) -> None:
        """Count one."""
        self.cells[counter] += 1

    def done(self, run_s: float) -> None:
        """Count an attempt that ended well, by its run time in s. This runs once for every task."""
        us = int(run_s * 1_000_000)
        self.cells[_RUN_CELLS[us] if us < _TABLE else _DONE_RUNS + _bounded(us)] += 1
        self.seconds[RUN_S] += run_s

    def ran(self, run_s: float) -> None:
        """Count the run time of an attempt that ended otherwise, in s."""
        self.cells[_OTHER_RUNS + _bounded(int(run_s * 1_000_000))] += 1
        self.seconds[RUN_S] += run_s

    def waited(self, ms: int) -> None:
        """Count how long a task was ready before it was started, in ms."""
        self.cells[wait_cell(ms)] += 1


class Ledger:
    """The pages of one process, as it writes them; `memory` is `LEDGER_BYTES` long and zero."""

    def __init__(self, memory: Any) -> None:
        self._bytes = memoryview(memory)
        self._cells: memoryview[int] = self._bytes.cast("q")
        self._seconds: memoryview[float] = self._bytes.cast("d")
        self._pages: dict[tuple[str, str], Page] = {}
        self._all: list[Page] = []

    def page(self, name: str, queue: str) -> Page:
        """Return the page of a name in a queue; when there is no room for new ones, one of `OTHER`."""
        page = self._pages.get((name, queue))
        if page is not None:
            return page
        left = MOST_PAGES - len(self._all)
        if left > _KEPT_FOR_OTHER or (name == OTHER and left > 0):
            # The very last page is for whatever else may come.
            page = self._new(name, queue) if left > 1 else self._new(OTHER, OTHER)
        else:
            page = self.page(OTHER, queue) if name != OTHER else self._all[-1]
        if len(self._pages) < _MOST_KNOWN:
            self._pages[name, queue] = page
        return page

    def superseded(self, count: int) -> None:
        """Count settlements that came after their tasks had been given to somebody else."""
        self._cells[_SUPERSEDED] += count

    def run_s(self) -> float:
        """Return the run time of all attempts that have ended, in s."""
        return sum(page.seconds[RUN_S] for page in self._all)

    def _new(self, name: str, queue: str) -> Page:
        place = self._cells[_IN_USE] + 1
        start, end = place * PAGE_CELLS, (place + 1) * PAGE_CELLS
        page = Page(name, queue, self._cells[start:end], self._seconds[start:end])
        self._write(start, _NAME, _NAME_BYTES, name)
        self._write(start, _QUEUE, _QUEUE_BYTES, queue)
        self._cells[_IN_USE] = place  # from now on it is read
        self._all.append(page)
        return page

    def _write(self, start: int, cell: int, length: int, text: str) -> None:
        data = text.encode(errors="replace")[:_TEXT_BYTES]
        place = (start + cell) * 8
        self._bytes[place : place + len(data)] = data
        self._cells[start + length] = len(data)


class Entry:
    """What one page grew by: counters, seconds, histograms by bucket."""

    __slots__ = ("counters", "done", "name", "queue", "run_s", "runs", "waits")

    def __init__(self, name: str, queue: str) -> None:
        self.name = name
        self.queue = queue
        self.counters = [0] * COUNTERS
        self.done = 0
        self.run_s = 0.0
        self.runs: dict[int, int] = {}
        self.waits: dict[int, int] = {}


class LedgerReader:
    """Reads a ledger that somebody else writes: each reading is what has come since the one before."""

    __slots__ = ("_bytes", "_cells", "_last", "_names", "_superseded")

    def __init__(self, memory: Any) -> None:
        self._bytes = memoryview(memory).cast("B")
        self._cells: memoryview[int] = self._bytes.cast("q")
        self._names: list[tuple[str, str]] = []
        self._last: list[bytes] = []
        self._superseded = 0

    def read(self) -> list[Entry]:
        """Return what each page grew by; pages that did not are left out."""
        entries = []
        for place in range(min(self._cells[_IN_USE], MOST_PAGES)):
            start = (place + 1) * PAGE_CELLS
            # Most pages of most readings are as they were: bytes are compared in no time.
            page = self._bytes[8 * start : 8 * (start + _END)].tobytes()
            if place == len(self._last):
                self._last.append(_blank(page))
                name = self._text(start, _NAME, _NAME_BYTES)
                self._names.append((name, self._text(start, _QUEUE, _QUEUE_BYTES)))
            if page != self._last[place]:
                entries.append(_grown(*self._names[place], self._last[place], page))
                self._last[place] = page
        return entries

    def close(self) -> None:
        """Let go of the memory, after the last reading."""
        self._cells.release()
        self._bytes.release()

    def superseded(self) -> int:
        """Return how many settlements came too late since the last call."""
        before, self._superseded = self._superseded, self._cells[_SUPERSEDED]
        return self._superseded - before

    def _text(self, start: int, cell: int, length: int) -> str:
        size = min(max(0, self._cells[start + length]), _TEXT_BYTES)
        data = self._cells[start + cell : start + cell + _TEXT_BYTES // 8].tobytes()[:size]
        return data.decode(errors="ignore")


def _blank(page: bytes) -> bytes:
    """Return a page on which nothing but its name has been written."""
    first, last = 8 * _NAME_BYTES, 8 * _DONE_RUNS
    return bytes(first) + page[first:last] + bytes(len(page) - last)


def _grown(name: str, queue: str, before: bytes, now: bytes) -> Entry:
    entry = Entry(name, queue)
    first, last = memoryview(before).cast("q").tolist(), memoryview(now).cast("q").tolist()
    entry.counters = [after - ago for ago, after in zip(first[:COUNTERS], last[:COUNTERS], strict=True)]
    entry.run_s = memoryview(now).cast("d")[RUN_S] - memoryview(before).cast("d")[RUN_S]
    done, other, entry.waits = (
        {place: last[cell + place] - ago for place, ago in enumerate(first[cell : cell + BUCKETS])
         if ago != last[cell + place]}
        for cell in (_DONE_RUNS, _OTHER_RUNS, _WAITS)
    )  # fmt: skip
    entry.done = sum(done.values())
    for bucket, count in other.items():
        done[bucket] = done.get(bucket, 0) + count
    entry.runs = done
    return entry


def _bounded(us: int) -> int:
    return min(bucket_of(us), BUCKETS - 1)
