"""The demo's journal: what each task says for itself, apart from everything that tqd counts.

One file per worker process and one line per event, each line written at once and in one piece. What
a process has written outlives its SIGKILL, so the journal is complete up to the last instruction.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from tqd.clock import monotonic

VARIABLE = "TQD_DEMO_JOURNAL"
"""The environment variable that tells the workers the journal's directory."""


class Word(StrEnum):
    """What can happen to an attempt. One that began and has no end was cut off."""

    BEGAN = "began"
    DONE = "done"
    RAISED = "raised"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `fence` grows with each claim of the task, `attempt` only with charged ones; `at` is
    monotonic s, which all processes of a machine share."""

    pid: int
    word: Word
    number: int
    fence: int
    attempt: int
    at: float


def write(word: Word, number: int, fence: int, attempt: int) -> None:
    """Write one event of this process; safe in any thread."""
    os.write(_file(os.getpid()), f"{word} {number} {fence} {attempt} {monotonic():.6f}\n".encode())


@cache
def _file(pid: int) -> int:
    path = os.path.join(os.environ[VARIABLE], str(pid))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def parse(pid: int, line: bytes) -> Entry | None:
    """Return the event of a line; None when it is none, as a full disk may leave behind."""
    words = line.split()
    try:
        word, number, fence, attempt, at = words
        return Entry(pid, Word(word.decode()), int(number), int(fence), int(attempt), float(at))
    except ValueError:
        return None


class Journal:
    """Reads a journal while it is being written."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._offsets: dict[str, int] = {}

    def read(self) -> Iterator[Entry]:
        """Yield what is new since the last call; a line without its end waits for the next one."""
        for name in sorted(os.listdir(self._directory), key=int):
            with open(os.path.join(self._directory, name), "rb") as file:
                file.seek(self._offsets.get(name, 0))
                whole, newline, _ = file.read().rpartition(b"\n")
            self._offsets[name] = self._offsets.get(name, 0) + len(whole) + len(newline)
            for line in whole.splitlines():
                entry = parse(int(name), line)
                if entry is not None:
                    yield entry
