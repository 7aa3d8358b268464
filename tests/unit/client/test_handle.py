"""Handles as values."""

from __future__ import annotations

import asyncio
from typing import Any

from tqd.client.handle import AsyncTaskHandle, TaskHandle, in_event_loop
from tqd.client.options import PLAIN, placement
from tqd.client.route import Route
from tqd.task.model import TaskOptions, TaskState

IDENTITY = bytes(range(16))
ROUTE = Route("job", None, placement(TaskOptions(queue="q"), None, None, None))


class Answers:
    """Says at once what a queue would find out."""

    def await_result(self, identity: bytes, name: str, timeout_s: float | None) -> Any:
        return ("blocking", identity, name, timeout_s)

    async def aawait_result(self, identity: bytes, name: str, timeout_s: float | None) -> Any:
        return ("awaited", identity, name, timeout_s)

    def state(self, identity: bytes) -> TaskState | None:
        return TaskState.READY

    async def astate(self, identity: bytes) -> TaskState | None:
        return TaskState.CLAIMED


def test_a_handle_shows_its_id_as_text() -> None:
    handle = TaskHandle[Any](Answers(), IDENTITY, ROUTE)
    assert handle.id == IDENTITY.hex()
    assert repr(handle) == f"<task {handle.id} job on q>"


def test_handles_are_equal_when_their_ids_are() -> None:
    one = TaskHandle[Any](Answers(), IDENTITY, ROUTE)
    same = AsyncTaskHandle[Any](Answers(), IDENTITY, Route("other", None, PLAIN))
    other = TaskHandle[Any](Answers(), IDENTITY[::-1], ROUTE)
    assert one == same and one != other and one != IDENTITY
    assert len({one, same, other}) == 2


def test_a_blocking_handle_blocks_and_may_be_awaited_by_the_a_methods() -> None:
    handle = TaskHandle[Any](Answers(), IDENTITY, ROUTE)
    assert handle.result(5) == ("blocking", IDENTITY, "job", 5)
    assert handle.status() is TaskState.READY
    assert asyncio.run(handle.aresult(5)) == ("awaited", IDENTITY, "job", 5)
    assert asyncio.run(handle.astatus()) is TaskState.CLAIMED


def test_an_async_handle_is_awaited_inside_a_loop_and_blocks_outside() -> None:
    handle = AsyncTaskHandle[Any](Answers(), IDENTITY, ROUTE)

    async def inside() -> tuple[Any, Any, bool]:
        return await handle.result(), await handle.status(), in_event_loop()

    assert asyncio.run(inside()) == (("awaited", IDENTITY, "job", None), TaskState.CLAIMED, True)
    assert not in_event_loop()
    assert handle.result() == ("blocking", IDENTITY, "job", None)  # type: ignore[comparison-overlap]
    assert handle.status() is TaskState.READY  # type: ignore[comparison-overlap]
