"""When the consumer looks into the queues. Store and executor are small ones; the rest is real."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from tqd.errors import StoreError, StoreUnavailable
from tqd.log import Log
from tqd.store.worker_store import Exchanged
from tqd.task.settle import Settlement
from tqd.worker.consumer import Consumer
from tqd.worker.inflight import Inflight
from tqd.worker.order import QueueOrder
from tqd.worker.settler import Settler


class Store:
    """Each exchange waits until the test answers it; notes how much each one asked for."""

    def __init__(self) -> None:
        self.credits: list[int] = []
        self.reply: asyncio.Future[list[object]] = asyncio.get_running_loop().create_future()

    async def exchange(self, batch: Sequence[Settlement], credit: int, caps: object) -> Exchanged:
        self.credits.append(credit)
        self.reply = asyncio.get_running_loop().create_future()
        return Exchanged([], await self.reply)

    async def held(self) -> dict[bytes, bytes]:
        return {}

    def now_ms(self) -> int:
        return 1000


class Tally:
    last_run_s = 0.0


class Executor:
    tally = Tally()


class Scene:
    def __init__(self) -> None:
        self.store = Store()
        settler = Settler(lambda: None)
        self.consumer = Consumer(
            self.store,  # type: ignore[arg-type]
            Executor(),  # type: ignore[arg-type]
            Inflight(4),
            settler,
            QueueOrder(("default",), 5.0, 0.0),
            Log(),
        )
        self.runner = asyncio.create_task(self.consumer.run())

    async def pass_by(self) -> None:
        """Let everything run that can."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def answer(self, *, work_left: bool = False, error: StoreError | None = None) -> None:
        """Answer the exchange that is on its way: no task, nothing due."""
        if error is not None:
            self.store.reply.set_exception(error)
        else:
            self.store.reply.set_result([0, int(work_left), 0, b"", []])
        await self.pass_by()


Case = Callable[[Scene], Coroutine[Any, Any, None]]


async def play(case: Case) -> None:
    scene = Scene()
    await scene.pass_by()
    try:
        await case(scene)
    finally:
        scene.runner.cancel()


async def _an_empty_answer_lets_it_sleep(scene: Scene) -> None:
    await scene.answer()
    assert (len(scene.store.credits), scene.consumer.idle.is_set()) == (1, True)


async def _work_that_is_left_is_claimed_next(scene: Scene) -> None:
    await scene.answer(work_left=True)
    assert len(scene.store.credits) == 2


async def _a_call_during_a_claim_is_answered_by_the_next(scene: Scene) -> None:
    """The claim may have looked before the task was there that somebody calls for."""
    scene.consumer.expect_work()
    await scene.answer()
    assert len(scene.store.credits) == 2 and not scene.consumer.idle.is_set()
    await scene.answer()
    assert len(scene.store.credits) == 2 and scene.consumer.idle.is_set()


async def _a_claim_that_failed_is_made_again(scene: Scene) -> None:
    await scene.answer(error=StoreUnavailable("gone"))
    assert not scene.consumer.idle.is_set(), "it pauses, and does not wait at the bell"


CASES = [
    _an_empty_answer_lets_it_sleep, _work_that_is_left_is_claimed_next,
    _a_call_during_a_claim_is_answered_by_the_next, _a_claim_that_failed_is_made_again,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.__name__.strip("_") for case in CASES])
def test_the_consumer(case: Case) -> None:
    asyncio.run(play(case))
