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
