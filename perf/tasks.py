"""The tasks of the benchmarks; the daemons under test import this module as their app."""

from __future__ import annotations

import asyncio
import functools
import os
import struct
import time

from tqd import TaskQueue

APP = "perf.tasks:tq"
FIFO = "TQD_PERF_FIFO"
"""Environment variable of the daemon: the pipe into which `stamp` writes."""

STAMP = struct.Struct("<qq")

tq = TaskQueue()


@tq.task(name="perf.noop")
async def noop(number: int, text: str, counts: dict[str, int]) -> None:
    """Do nothing; the arguments are those that the other queues were measured with."""


def arguments(number: int) -> tuple[int, str, dict[str, int]]:
    """Return the arguments of the n-th `noop`; its envelope has 65 bytes."""
    return 1_000_000 + number, "0123456789abcdef", {"id": 1, "to": 2, "at": 3}


@tq.task(name="perf.nap")
async def nap(seconds: float) -> None:
    """Sleep."""
    await asyncio.sleep(seconds)


@tq.task(name="perf.echo", result_ttl=60)
async def echo(number: int) -> int:
    """Return the argument, as a result that is kept."""
    return number


@tq.task(name="perf.stamp")
async def stamp(reference_ns: int) -> None:
    """Write the reference and the time of the first line; CLOCK_MONOTONIC is the same in all processes.

    A pipe takes the stamps without waking whoever measures.
    """
    began_ns = time.monotonic_ns()
    os.write(_pipe(), STAMP.pack(reference_ns, began_ns))


@functools.cache
def _pipe() -> int:
    return os.open(os.environ[FIFO], os.O_WRONLY)
