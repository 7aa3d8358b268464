"""What processes use, read from the system."""

from __future__ import annotations

import os

import psutil


def rss_bytes(process: psutil.Process | None = None) -> int:
    """Return the resident memory of a process in bytes (this one's by default).

    Forked processes share pages: the sum over workers counts shared pages many times.
    """
    return int((process or psutil.Process()).memory_info().rss)


def cores() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0))


def rss_bytes_of(pid: int) -> int | None:
    """Return a process's resident memory; None when it is gone, or may not be read."""
    return ProcessMemory().rss_bytes(pid)


def pss_bytes(pid: int) -> int | None:
    """Return a process's proportional memory; None when it is gone, or may not be read.

    A page that n processes share counts as an n-th of it. The kernel walks the page tables for it:
    about 5 ms for 1 GB, so this is nothing for each second.
    """
    return ProcessMemory().pss_bytes(pid)


class ProcessMemory:
    """Reads the memory of the same processes again and again.

    A process is looked up once and then remembered. So tell it with `forget` when a child was reaped:
    from then on its number may be that of another process.
    """

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}

    def rss_bytes(self, pid: int) -> int | None:
        """Return the resident memory; None when the process is gone, or may not be read."""
        try:
            rss = int(self._process(pid).memory_info().rss)
        except (psutil.Error, OSError, ValueError):
            self.forget(pid)
            return None
        return rss or None  # a dead process that was not reaped yet has none

    def pss_bytes(self, pid: int) -> int | None:
        """Return the proportional memory; None when the process is gone, or may not be read."""
        try:
            pss = int(self._process(pid).memory_full_info().pss)
        except (psutil.Error, OSError, ValueError):
            self.forget(pid)
            return None
        return pss or None

    def forget(self, pid: int) -> None:
        """Drop what is known of a process; unknown ones are no error."""
        self._known.pop(pid, None)

    def _process(self, pid: int) -> psutil.Process:
        found = self._known.get(pid)
        if found is None:
            found = self._known[pid] = psutil.Process(pid)
        return found
