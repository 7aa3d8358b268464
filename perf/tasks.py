"""The tasks of the benchmarks; the daemons under test import this module as their app."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import struct
import time

from tqd import Context, TaskQueue

APP = "perf.tasks:tq"
FIFO = "TQD_PERF_FIFO"
"""Environment variable of the daemon: the pipe into which `stamp` writes."""

JOURNAL = "TQD_PERF_JOURNAL"
"""Environment variable of the daemon: the file into which `told` and `block` write."""

STAMP = struct.Struct("<qq")
ENTRY = struct.Struct("<qqqqq")
BEGAN, ENDED = 0, 1

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


@tq.task(name="perf.told", max_retries=0)
async def told(context: Context, number: int, seconds: float) -> None:
    """Sleep, and keep a journal of it: an entry for the first line and one for the last."""
    _tell(number, context.fence, BEGAN)
    await asyncio.sleep(seconds)
    _tell(number, context.fence, ENDED)


@tq.task(name="perf.block", max_retries=0)
async def block(context: Context, number: int) -> None:
    """Block the worker's loop for ever."""
    _tell(number, context.fence, BEGAN)
    while True:
        time.sleep(3600.0)


@tq.task(name="perf.tried")
async def tried(context: Context, number: int, seconds: float) -> None:
    """Sleep, and keep a journal of it with the attempt's number in place of the fence."""
    _tell(number, context.attempt, BEGAN)
    await asyncio.sleep(seconds)
    _tell(number, context.attempt, ENDED)


@tq.task(name="perf.poison")
async def poison(context: Context, number: int, seconds: float) -> None:
    """Kill the process that runs this, among others."""
    _tell(number, context.attempt, BEGAN)
    await asyncio.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


@functools.cache
def _pipe() -> int:
    return os.open(os.environ[FIFO], os.O_WRONLY)


def _tell(number: int, fence: int, word: int) -> None:
    # In one write at the file's end: what is written outlives a SIGKILL, and nobody's entry is torn.
    os.write(_journal(), ENTRY.pack(number, fence, os.getpid(), word, time.monotonic_ns()))


@functools.cache
def _journal() -> int:
    return os.open(os.environ[JOURNAL], os.O_WRONLY | os.O_APPEND)
