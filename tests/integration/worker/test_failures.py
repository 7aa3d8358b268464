"""Attempts that fail: retries, dead letters, and exceptions that nobody expects. The worker outlives all."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable

import pytest

from tests.support.wait import auntil
from tests.support.worker import NAMESPACE, Bench
from tqd import Context, TaskQueue, queues
from tqd.wire.envelope import decode_envelope


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text for you")


class LeavesWhenPrinted(Exception):
    def __str__(self) -> str:
        raise SystemExit("left while being printed")


class Odd(BaseException):
    pass


class Text(str):
    def __getitem__(self, key: object) -> str:
        raise SystemExit("left while being cut")

    def isascii(self) -> bool:
        raise SystemExit("left while being looked at")


class PrintsOddly(Exception):
    def __str__(self) -> str:
        return Text("odd")


class Untouchable(Exception):
    def __getattribute__(self, name: str) -> object:
        raise SystemExit("left while being touched")

    def __reduce__(self) -> str:
        raise SystemExit("left while being pickled")


class Nowhere(Exception):
    pass


Nowhere.__module__ = 5  # type: ignore[assignment]


EXOTIC: dict[str, Callable[[], BaseException]] = {
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration(1),
    "StopAsyncIteration": StopAsyncIteration,
    "CancelledError": asyncio.CancelledError,
    "Odd": Odd,
    "Unprintable": Unprintable,
    "LeavesWhenPrinted": LeavesWhenPrinted,
    "PrintsOddly": PrintsOddly,
    "Untouchable": Untouchable,
    "Nowhere": Nowhere,
    "TimeoutError": TimeoutError,
    "ExceptionGroup": lambda: BaseExceptionGroup("all", [SystemExit(1), ValueError("x")]),
    "huge": lambda: ValueError("x" * 1_000_000),
    "surrogate": lambda: ValueError("\ud800"),
}


@pytest.mark.parametrize("kind", EXOTIC)
@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
def test_whatever_a_task_raises_is_recorded_and_the_worker_lives(
    bench: Bench, kind: str, plain: bool
) -> None:
    after = asyncio.Event()

    if plain:

        @bench.queue.task(name="raises", max_retries=0)
        def raises() -> None:
            raise EXOTIC[kind]()

        task = raises
    else:

        @bench.queue.task(name="raises", max_retries=0)
        async def araises() -> None:
            raise EXOTIC[kind]()

        task = araises  # type: ignore[assignment]

    @bench.queue.task(name="after")
    async def next_one() -> None:
        after.set()

    async def scenario() -> None:
        handle = await task.aenqueue()
        async with bench.worker(slots=1):
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 10)
            await next_one.aenqueue()
            await asyncio.wait_for(after.wait(), 10)
        record = bench.failure(handle.identity)
        assert record.reason == "raised"
        kinds = " ".join(error[0] for error in record.errors)
        expected = type(EXOTIC[kind]()).__name__
        # What leaves a coroutine by StopIteration, Python itself makes a RuntimeError of.
        assert expected in kinds or "RuntimeError" in kinds

    bench.run(scenario())


def test_a_failed_task_is_tried_again_on_its_queue_after_growing_delays(bench: Bench) -> None:
    runs: list[tuple[float, int, str]] = []

    @bench.queue.task(name="fails", max_retries=3, retry_delay=0.1, queue=queues.HIGH_PRIORITY)
    async def fails(ctx: Context) -> None:
        runs.append((time.monotonic(), ctx.attempt, ctx.queue))
        raise ValueError("always")

    async def scenario() -> None:
        handle = await fails.using(queue=queues.LOW_PRIORITY).aenqueue()
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 20)
        assert bench.failure(handle.identity).attempts == 4

    bench.run(scenario())
    assert [(attempt, queue) for _, attempt, queue in runs] == [
        (n, queues.LOW_PRIORITY) for n in (1, 2, 3, 4)
    ]
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(runs)]
    for gap, full in zip(gaps, (0.1, 0.2, 0.4), strict=True):
        assert gap >= full * 0.75 - 0.005


def test_the_delay_before_a_retry_is_bounded_by_max_retry_delay(bench: Bench) -> None:
    @bench.queue.task(name="fails", max_retries=5, retry_delay=500, max_retry_delay=600)
    async def fails() -> None:
        raise ValueError("always")

    async def scenario() -> int:
        handle = await fails.aenqueue()
        bench.client.hset(bench.keys.attempts, handle.identity, b"1:4:0")  # type: ignore[arg-type]
        async with bench.worker() as worker:
            place = f"due:{queues.DEFAULT}"
            await auntil(lambda: bench.places().get(handle.identity) == place, "it is scheduled", 10)
            score = bench.client.zscore(bench.keys.due(queues.DEFAULT), handle.identity)  # type: ignore[arg-type]
            assert isinstance(score, float)
            return int(score) - worker.store.now_ms()

    assert 0.75 * 600_000 - 1000 <= bench.run(scenario()) <= 600_000


def test_a_dead_letter_keeps_payload_chain_and_attempts(bench: Bench) -> None:
    @bench.queue.task(name="fails", max_retries=1, retry_delay=0)
    async def fails(number: int, word: str = "") -> None:
        try:
            {}["missing"]  # type: ignore[index]
        except KeyError as error:
            raise ValueError("the outer one") from error

    async def scenario() -> None:
        handle = await fails.using(headers={"trace": "1"}).aenqueue(7, word="seven")
        async with bench.worker() as worker:
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 10)
        record = bench.failure(handle.identity)
        envelope = decode_envelope(record.envelope)
        assert (envelope.name, envelope.args, envelope.kwargs) == ("fails", [7], {"word": "seven"})
        assert envelope.headers == {"trace": "1"}
        assert (record.task_id, record.reason, record.attempts) == (handle.identity, "raised", 2)
        assert [(kind, text) for kind, text, _ in record.errors] == [
            ("ValueError", "the outer one"),
            ("KeyError", "'missing'"),
        ]
        assert "in fails" in record.errors[0][2] and "test_failures.py" in record.errors[1][2]
        assert record.worker == worker.name
        assert abs(record.failed_ms - worker.store.now_ms()) < 60_000

    bench.run(scenario())


def test_a_call_that_does_not_fit_the_handler_is_a_dead_letter_with_the_reason(bench: Bench) -> None:
    @bench.queue.task(name="takes-one", max_retries=0)
    async def takes_one(number: int) -> None: ...

    async def scenario() -> None:
        elsewhere = TaskQueue(bench.server.url, namespace=NAMESPACE)
        handles = [await elsewhere.aenqueue("takes-one", *args) for args in ((), (1, 2))]
        await elsewhere.aclose()
        async with bench.worker():
            await bench.all_settled()
        for handle in handles:
            record = bench.failure(handle.identity)
            assert record.reason == "raised" and record.errors[0][1]

    bench.run(scenario())


def test_dead_letters_beyond_the_limit_lose_the_oldest(bench: Bench) -> None:
    @bench.queue.task(name="fails", max_retries=0)
    async def fails() -> None:
        raise ValueError

    async def scenario() -> None:
        handles = []
        async with bench.worker(slots=1, dead_letters={"max_count": 2}):
            for _ in range(5):
                handles.append(await fails.aenqueue())
                await bench.all_settled()
                # Dead letters of one millisecond have no order: the next one is of a later one.
                buried_ms = int(bench.client.zrange(bench.keys.dead, -1, -1, withscores=True)[0][1])
                await auntil(lambda ms=buried_ms: redis_ms(bench) > ms + 1, "time passes", 10)  # type: ignore[misc]
        assert set(bench.places()) == {handle.identity for handle in handles[-2:]}

    bench.run(scenario())


def redis_ms(bench: Bench) -> int:
    seconds, micros = bench.client.time()  # type: ignore[misc]
    return int(seconds) * 1000 + int(micros) // 1000


# -- timeouts ------------------------------------------------------------------------------------


def test_an_async_task_is_cancelled_at_its_timeout_and_tried_again(bench: Bench) -> None:
    endings: list[str] = []

    @bench.queue.task(name="slow", timeout=0.2, max_retries=1, retry_delay=0)
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            endings.append("cancelled")
            raise

    async def scenario() -> None:
        handle = await slow.aenqueue()
        async with bench.worker(slots=1):
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 15)
        record = bench.failure(handle.identity)
        assert (record.reason, record.attempts) == ("timed out", 2)
        assert "0.2 s" in record.errors[0][1]

    bench.run(scenario())
    assert endings == ["cancelled", "cancelled"]


def test_a_handler_that_swallows_its_cancellation_is_cancelled_again(bench: Bench) -> None:
    swallowed: list[float] = []

    @bench.queue.task(name="stubborn", timeout=0.1, max_retries=0)
    async def stubborn() -> None:
        while len(swallowed) < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.append(time.monotonic())
        await asyncio.Event().wait()

    async def scenario() -> None:
        handle = await stubborn.aenqueue()
        async with bench.worker(slots=1):
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 20)
        assert bench.failure(handle.identity).reason == "timed out"

    bench.run(scenario())
    assert swallowed[1] - swallowed[0] < 5


def test_a_timed_out_plain_function_is_settled_and_keeps_its_slot_until_it_returns(bench: Bench) -> None:
    go_on = threading.Event()
    after = asyncio.Event()

    @bench.queue.task(name="blocks", timeout=0.1, max_retries=0)
    def blocks() -> None:
        go_on.wait(30)

    @bench.queue.task(name="after")
    async def next_one() -> None:
        after.set()

    async def scenario() -> None:
        handle = await blocks.aenqueue()
        async with bench.worker(slots=1) as worker:
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 15)
            assert bench.failure(handle.identity).reason == "timed out"
            await next_one.aenqueue()
            assert (worker.lifecycle.inflight.busy, worker.lifecycle.inflight.free) == (1, 0)
            assert not after.is_set()
            go_on.set()
            await asyncio.wait_for(after.wait(), 15)
            await auntil(lambda: worker.lifecycle.inflight.busy == 0, "all slots are free", 10)

    try:
        bench.run(scenario())
    finally:
        go_on.set()


def test_a_timeout_of_zero_means_none(bench: Bench) -> None:
    seen: list[float | None] = []

    @bench.queue.task(name="no-limit", timeout=0)
    async def no_limit(ctx: Context) -> None:
        seen.append(ctx.deadline)

    async def scenario() -> None:
        await no_limit.aenqueue()
        async with bench.worker():
            await bench.all_settled()

    bench.run(scenario())
    assert seen == [None]
