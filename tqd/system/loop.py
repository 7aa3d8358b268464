"""Running a child's event loop on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a new uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def run_last(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end as the last thing of this process, which must leave by `os._exit`.

    The loop is not closed: that would wait for every coroutine and every thread that user code has
    left behind, without a limit. They end with the process.

    A coroutine or callback of user code that leaves by SystemExit or KeyboardInterrupt (asyncio lets
    these two through to whoever runs the loop) ends itself and not the process: all others go on.
    """
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    runner = loop.create_task(main)
    while True:
        try:
            return loop.run_until_complete(runner)
        except (SystemExit, KeyboardInterrupt):
            if runner.done():
                raise


async def end_the_rest(within_s: float) -> None:
    """Cancel every other coroutine of this loop and end its generators, for at most `within_s`."""
    loop = asyncio.get_running_loop()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for runner in rest:
        runner.cancel()
    generators = loop.create_task(loop.shutdown_asyncgens())
    await asyncio.wait({generators, *rest}, timeout=within_s)
