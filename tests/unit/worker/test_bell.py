"""Whether the bell is waited at, and what becomes of a token. The consumer and the store are small ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tqd.log import Log
from tqd.worker.bell import Bell


class Consumer:
    """Idle and claiming, unless a test says otherwise."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self.overdue = asyncio.Event()
        self.leave_bell = asyncio.Event()
        self.claiming = True
        self.called = 0

    def expect_work(self) -> None:
        self.called += 1


class Store:
    """A bell that is rung by the test; counts what it was asked."""

    def __init__(self) -> None:
        self.waits: list[asyncio.Future[bool]] = []
        self.unblocked = 0
        self.deaf = 0

    async def wait_for_bell(self) -> bool:
        self.waits.append(asyncio.get_running_loop().create_future())
        return await self.waits[-1]

    async def unblock(self) -> None:
        self.unblocked += 1
        if self.waits and not self.waits[-1].done() and self.unblocked > self.deaf:
            self.waits[-1].set_result(False)


class Inflight:
    free = 1


class Scene:
    def __init__(self) -> None:
        self.consumer, self.store, self.inflight = Consumer(), Store(), Inflight()
        self.bell = Bell(self.store, self.consumer, self.inflight, Log())  # type: ignore[arg-type]
        self.listener = asyncio.create_task(self.bell.listen())

    async def pass_by(self) -> None:
        """Let everything run that can."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def ring(self) -> None:
        self.store.waits[-1].set_result(True)
        await self.pass_by()


def scene(play: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        made = Scene()
        await made.pass_by()
        await play(made)
        made.listener.cancel()
        await asyncio.gather(made.listener, return_exceptions=True)

    asyncio.run(run())


def test_a_token_calls_an_idle_consumer_and_nobody_else() -> None:
    async def play(scene: Scene) -> None:
        await scene.ring()
        assert scene.consumer.called == 1 and not scene.consumer.overdue.is_set()

    scene(play)


@pytest.mark.parametrize("why", ["no slot is free", "it claims nothing"])
def test_a_token_that_came_to_one_that_cannot_take_it_is_passed_on(why: str) -> None:
    async def play(scene: Scene) -> None:
        if why == "no slot is free":
            scene.inflight.free = 0
        else:
            scene.consumer.claiming = False
        await scene.ring()
        assert scene.consumer.overdue.is_set()

    scene(play)


def test_a_consumer_that_is_busy_waits_at_no_bell() -> None:
    async def play(scene: Scene) -> None:
        scene.consumer.idle.clear()
        await scene.ring()
        assert len(scene.store.waits) == 1
        scene.consumer.idle.set()
        await scene.pass_by()
        assert len(scene.store.waits) == 2

    scene(play)


def test_one_that_fell_quiet_in_the_moment_it_became_idle_waits_at_no_bell() -> None:
    async def play(scene: Scene) -> None:
        scene.consumer.idle.clear()
        await scene.ring()
        scene.consumer.idle.set()  # the listener is about to go
        scene.consumer.claiming = False
        scene.consumer.idle.clear()
        await scene.pass_by()
        assert len(scene.store.waits) == 1

    scene(play)


def test_leaving_ends_the_wait_each_time() -> None:
    async def play(scene: Scene) -> None:
        leaving = asyncio.create_task(scene.bell.leave())
        for count in (1, 2):
            scene.consumer.leave_bell.set()
            await scene.pass_by()
            assert scene.store.unblocked == count and not scene.consumer.leave_bell.is_set()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)

    scene(play)


def test_a_stop_ends_with_the_wait() -> None:
    async def play(scene: Scene) -> None:
        await asyncio.wait_for(scene.bell.stop(), 10)
        assert scene.listener.done() or scene.store.unblocked
        await scene.pass_by()
        assert scene.listener.done() and scene.store.waits[-1].result() is False

    scene(play)
