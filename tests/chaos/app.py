"""The tasks that are run while everything breaks. Each keeps a journal of itself outside Redis.

A line is one write at the end of a file, so it outlives the process, and no two are mixed.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time

from tqd import Context, TaskQueue

tq = TaskQueue()


class Unlucky(Exception):
    """What tasks raise that are to fail."""


@tq.task(name="quick")
async def quick(context: Context, number: int) -> None:
    tell("began", context, number)
    tell("ended", context, number)


@tq.task(name="threaded", queue="high_priority")
def threaded(context: Context, number: int) -> None:
    tell("began", context, number)
    time.sleep(0.01)
    tell("ended", context, number)


@tq.task(name="sleeping", queue="low_priority")
async def sleeping(context: Context, number: int, seconds: float) -> None:
    tell("began", context, number)
    await asyncio.sleep(seconds)
    tell("ended", context, number)


@tq.task(name="valued", result_ttl=600)
async def valued(context: Context, number: int) -> int:
    tell("began", context, number)
    await asyncio.sleep(0.005)
    tell("ended", context, number)
    return number * 7


@tq.task(name="retrying", max_retries=2, retry_delay=0.05)
async def retrying(context: Context, number: int) -> None:
    tell("began", context, number)
    if context.attempt < 3:
        tell("raised", context, number)
        raise Unlucky(number)
    tell("ended", context, number)


@tq.task(name="failing", max_retries=1, retry_delay=0.05)
def failing(context: Context, number: int) -> None:
    tell("began", context, number)
    tell("raised", context, number)
    raise Unlucky(number)


@tq.task(name="timed", timeout=0.25, max_retries=9, retry_delay=0.05)  # a stopped process has no time either
async def timed(context: Context, number: int) -> None:
    tell("began", context, number)
    try:
        await asyncio.sleep(60.0 if context.attempt == 1 else 0.0)
    except asyncio.CancelledError:
        tell("raised", context, number)
        raise
    tell("ended", context, number)


@tq.task(name="stuck", hard_timeout=0.6, max_retries=1, retry_delay=0.05)
async def stuck(context: Context, number: int) -> None:
    tell("began", context, number)
    if context.attempt == 1:
        tell("raised", context, number)  # it does not: it blocks the loop until its worker is ended
        while True:
            time.sleep(3600.0)
    tell("ended", context, number)


def tell(word: str, context: Context, number: int) -> None:
    """Write a line: what, which task, its attempt and fence, the process, and when."""
    parts = (word, number, context.attempt, context.fence, os.getpid(), time.monotonic_ns())
    os.write(_journal(), (" ".join(map(str, parts)) + "\n").encode())


@functools.cache
def _journal() -> int:
    return os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
