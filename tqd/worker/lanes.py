"""Threads for plain functions: as many lanes as the worker has slots.

A lane never raises and never returns a bare value: what happened comes back as an outcome, so that
no exception, not even StopIteration or SystemExit, meets asyncio's futures or ends a thread.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from tqd.task.outcome import Discarded, Done, Raised, RetryAsked
from tqd.task.verdict import RetryRules, verdict

Ended = Done | Raised | RetryAsked | Discarded


class Lanes:
    """A bounded pool of threads; threads are made when they are first needed."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix="tqd-lane")

    def submit(
        self,
        function: Callable[..., object],
        args: list[object],
        kwargs: dict[str, object],
        rules: RetryRules,
    ) -> Future[Ended]:
        """Start a function in a lane, in a copy of the caller's context."""
        context = contextvars.copy_context()
        return self._pool.submit(context.run, _call, function, args, kwargs, rules)

    def close(self) -> None:
        """Take no more work. Running threads are left to the end of the process."""
        self._pool.shutdown(wait=False, cancel_futures=True)


async def outcome_of(lane: Future[Ended]) -> Ended:
    """Wait for a lane; cancelling the wait leaves a running thread alone."""
    return await asyncio.wrap_future(lane)


def _call(
    function: Callable[..., object], args: list[object], kwargs: dict[str, object], rules: RetryRules
) -> Ended:
    try:
        return Done(function(*args, **kwargs))
    except BaseException as error:
        # A task may raise anything; the lane belongs to the next one.
        return verdict(error, rules)
