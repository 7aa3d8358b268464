"""Which attempt the master is told of: the one that must be over first, and each time that changes.

No time passes here: deadlines are far away. What happens when one is over is tested with a real worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from tests.support.store_driver import identity
from tqd.app import Handler
from tqd.clock import monotonic
from tqd.metrics.ledger import LEDGER_BYTES, Ledger
from tqd.task.claim import Claim
from tqd.task.model import DEFAULTS, NO_OPTIONS, TaskOptions
from tqd.task.outcome import Done
from tqd.wire.messages import HardDeadline, Message, encode_message
from tqd.worker.inflight import Attempt
from tqd.worker.limits import NO_DEADLINE, HardLimits


async def work() -> None: ...


HANDLER = Handler("shop.work", work, NO_OPTIONS)


class Channel:
    """Keeps what is sent; `full` takes nothing."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.full = False

    def send(self, message: Message) -> bool:
        if not self.full:
            self.sent.append(message)
        return not self.full

    def told(self) -> list[int]:
        """Return the numbers of the tasks that were told, 0 for none."""
        return [int.from_bytes(one.task_id, "big") for one in self.sent if isinstance(one, HardDeadline)]


class Scene:
    """Limits, and attempts whose code goes on until it is ended."""

    def __init__(self) -> None:
        self.channel = Channel()
        self.late: list[Attempt] = []
        self.limits = HardLimits(self.channel, self.late.append)  # type: ignore[arg-type]
        self.runners: dict[int, asyncio.Future[None]] = {}

    def watch(self, number: int, limit_s: float, **options: float) -> Attempt:
        chosen = TaskOptions(hard_timeout_s=limit_s, **options).over(DEFAULTS)  # type: ignore[arg-type]
        page = Ledger(bytearray(LEDGER_BYTES)).page("work", "default")
        attempt = Attempt(Claim(identity(number), b"1:0:0:default", b""), HANDLER, chosen, [], {}, page)
        attempt.started = monotonic()
        runner = self.runners[number] = asyncio.get_running_loop().create_future()
        attempt.runner = runner  # type: ignore[assignment]
        self.limits.watch(attempt)
        return attempt

    async def end(self, *numbers: int) -> None:
        for number in numbers:
            self.runners.pop(number).set_result(None)
            await asyncio.sleep(0)


def scene(play: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await play(Scene())

    asyncio.run(run())


def test_a_cancelled_attempt_is_told_with_its_grace_also_when_it_was_the_first_before() -> None:
    async def play(scene: Scene) -> None:
        attempt = scene.watch(1, 1000.0)
        scene.limits.grant(attempt, 500.0)
        *_, told = scene.channel.sent
        assert isinstance(told, HardDeadline)
        assert (told.task_id, told.limit_s, told.cancelled) == (identity(1), 500.0, True)
        assert 499.0 < told.left_s <= 500.0
        await scene.end(1)
        assert scene.channel.told() == [1, 1, 0]

    scene(play)


def test_the_master_is_told_of_an_attempt_before_it_runs() -> None:
    async def play(scene: Scene) -> None:
        scene.watch(1, 1000.0, max_retries=7, retry_delay_s=2.0)
        (message,) = scene.channel.sent
        assert isinstance(message, HardDeadline)
        assert (message.task_id, message.token, message.name) == (identity(1), b"1:0:0:default", "shop.work")
        assert message.limit_s == 1000.0 and 990.0 < message.left_s <= 1000.0
        assert message.policy == [7, 2.0, 600.0, 0.0, 0.0]
        assert encode_message(message)

    scene(play)


def test_only_the_one_that_must_be_over_first_is_told() -> None:
    async def play(scene: Scene) -> None:
        scene.watch(1, 1000.0)
        scene.watch(2, 2000.0)
        scene.watch(3, 500.0)
        scene.watch(4, 700.0)
        assert scene.channel.told() == [1, 3]

    scene(play)


def test_the_next_one_is_told_when_the_first_has_ended_and_at_last_none() -> None:
    async def play(scene: Scene) -> None:
        for number, limit_s in ((1, 100.0), (2, 300.0), (3, 200.0)):
            scene.watch(number, limit_s)
        await scene.end(2)
        assert scene.channel.told() == [1], "it was not the first"
        await scene.end(1)
        await scene.end(3)
        assert scene.channel.told() == [1, 3, 0]
        assert scene.channel.sent[-1] == NO_DEADLINE

    scene(play)


def test_attempts_that_ended_on_the_way_are_never_told() -> None:
    async def play(scene: Scene) -> None:
        for number in range(1, 6):
            scene.watch(number, 100.0 * number)
        await scene.end(2, 3, 4, 1)
        assert scene.channel.told() == [1, 5]

    scene(play)


def test_what_a_full_pipe_did_not_take_is_told_again() -> None:
    async def play(scene: Scene) -> None:
        scene.channel.full = True
        scene.watch(1, 100.0)
        scene.limits.tell()
        scene.channel.full = False
        scene.limits.tell()
        scene.limits.tell()
        assert scene.channel.told() == [1], "and once it was heard, no more"

    scene(play)


def test_a_claim_that_was_renewed_is_told_with_its_new_token() -> None:
    async def play(scene: Scene) -> None:
        attempt = scene.watch(1, 100.0)
        attempt.token = b"2:0:0:default"
        scene.limits.tell()
        assert [one.token for one in scene.channel.sent if isinstance(one, HardDeadline)] == [
            b"1:0:0:default", b"2:0:0:default",
        ]  # fmt: skip

    scene(play)


def test_a_thread_that_goes_on_is_still_the_one() -> None:
    async def play(scene: Scene) -> None:
        attempt = scene.watch(1, 100.0)
        lane: Future[Any] = Future()
        lane.set_running_or_notify_cancel()
        attempt.lane = lane
        await scene.end(1)
        assert scene.channel.told() == [1]
        lane.set_result(Done(None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert scene.channel.told() == [1, 0]

    scene(play)


def test_a_thread_that_was_back_before_leaves_nothing_to_wait_for() -> None:
    async def play(scene: Scene) -> None:
        attempt = scene.watch(1, 100.0)
        attempt.lane = Future()
        attempt.lane.set_result(Done(None))
        await scene.end(1)
        assert scene.channel.told() == [1, 0]

    scene(play)


def test_nothing_piles_up_behind_one_that_runs_for_long() -> None:
    async def play(scene: Scene) -> None:
        scene.watch(1, 100.0)
        for number in range(2, 2000):
            scene.watch(number, 1000.0)
            await scene.end(number)
        assert len(scene.limits._waiting) < 100
        assert scene.channel.told() == [1]
        await scene.end(1)
        assert scene.channel.told() == [1, 0]

    scene(play)


def test_a_deadline_that_is_over_is_noticed_once_and_stays_the_one() -> None:
    async def play(scene: Scene) -> None:
        late = scene.watch(1, 100.0)
        scene.watch(2, 200.0)
        scene.limits._waiting[0].deadline = monotonic() - 1.0
        scene.limits._due()
        scene.limits._due()
        assert scene.late == [late]
        assert scene.channel.told() == [1], "until its code has ended"
        scene.watch(3, 50.0)
        assert scene.channel.told() == [1]
        await scene.end(1)
        assert scene.channel.told() == [1, 3]

    scene(play)
