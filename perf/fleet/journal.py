"""The journal's file: made for a daemon's tasks, and read while they write it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from perf.fleet.account import Entry
from perf.tasks import ENTRY, JOURNAL
from tests.support.wait import until


class Journal:
    """`entries` are those read so far, in the order in which they were written.

    A reader may see the first part of one that is being written, across the end of a page: that is left for
    the next time.
    """

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="tqd-perf-"))
        self._path = self._directory / "journal"
        self._path.touch(0o600)
        self._read_bytes = 0
        self.environ = {JOURNAL: str(self._path)}
        self.entries: list[Entry] = []

    def read(self) -> list[Entry]:
        """Take in what is new; returns all entries."""
        with open(self._path, "rb") as file:
            file.seek(self._read_bytes)
            data = file.read()
        data = data[: len(data) - len(data) % ENTRY.size]
        self._read_bytes += len(data)
        self.entries += map(Entry._make, ENTRY.iter_unpack(data))
        return self.entries

    def until(self, condition: Callable[[list[Entry]], bool], what: str, deadline_s: float) -> None:
        """Read until the entries meet a condition; AssertionError when they do not in time."""
        until(lambda: condition(self.read()), what, deadline_s)

    def forget(self) -> None:
        """Drop what was written and read so far; nobody may be writing."""
        self.read()
        self.entries = []

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
