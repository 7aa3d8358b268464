"""The tasks of the demo: an app like any user's, of which each task keeps a journal.

The context comes first; the number names the task in the journal, whatever its id is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tqd import Context, TaskQueue
from tqd.cli.demo_journal import Word, write

tq = TaskQueue()


class Planned(Exception):
    """Raised by a task that is to fail, as often as it is to."""


@contextmanager
def _journalled(context: Context, number: int) -> Iterator[None]:
    write(Word.BEGAN, number, context.fence, context.attempt)
    try:
        yield
    except Exception:
        write(Word.RAISED, number, context.fence, context.attempt)
        raise
    write(Word.DONE, number, context.fence, context.attempt)


@tq.task
async def fast(context: Context, number: int) -> None:
    """Do nothing: what is left is what tqd costs."""
    with _journalled(context, number):
        pass


@tq.task
async def slow(context: Context, number: int, seconds: float) -> None:
    """Wait, as for a database or a web service."""
    with _journalled(context, number):
        await asyncio.sleep(seconds)


@tq.task(retry_delay=0.2, max_retries=5)
async def flaky(context: Context, number: int, failures: int) -> None:
    """Fail at first, then succeed."""
    with _journalled(context, number):
        if context.attempt <= failures:
            raise Planned(f"failure {context.attempt} of {failures}")


@tq.task
def primes(context: Context, number: int, below: int) -> int:
    """Count primes: a plain function that uses the processor, in a thread of the worker."""
    with _journalled(context, number):
        return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, below))
