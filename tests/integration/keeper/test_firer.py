"""Keepers' firers on every engine: each slot once, whatever happens to keepers, replies and Redis."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.support.engines import Engine
from tests.support.faults import CuttingProxy
from tests.support.redis_server import RedisServer
from tests.support.wait import auntil
from tqd.errors import StoreUnavailable
from tqd.keeper.firer import Firer
from tqd.log import Log
from tqd.schedule.entry import CatchUp, Entry
from tqd.store.connection import Endpoint, Link, SyncLink
from tqd.store.cron_table import CronStore, publish_call, rows_of
from tqd.store.keys import Keys
from tqd.store.scripts import sha
from tqd.system.loop import run
from tqd.wire.cron_entry import slot_of
from tqd.wire.envelope import decode_envelope

APP = "shop:tq"
SECOND = "every 1s"


def entry(name: str = "n", spec: str = SECOND, **more: Any) -> Entry:
    fields = {"task": "task", "queue": "default"} | more
    return Entry(name=name, spec=spec, **fields)


class Scene:
    """A Redis with published schedules, and firers on it."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.keys = Keys("test")

    def now_ms(self) -> int:
        seconds, micros = self.server.client.time()
        return int(seconds * 1000 + micros // 1000)

    def publish(self, *entries: Entry, app: str = APP, ago_ms: int = 0) -> None:
        """Publish as a worker that did so a while ago: slots since then were missed."""
        link = SyncLink(Endpoint(self.server.url))
        then_ms = self.now_ms() - ago_ms
        link.call(publish_call(self.keys, app, then_ms, then_ms, entries))
        link.close()

    @asynccontextmanager
    async def firer(self, url: str = "", tick_s: float = 0.1, max_tasks: int = 100) -> Any:
        link = Link(Endpoint(url or self.server.url, 1.0, 1.0))
        await link.synchronise()
        try:
            yield Firer(CronStore(link, self.keys), APP, tick_s, max_tasks, Log(role="keeper"))
        finally:
            await link.close()

    @asynccontextmanager
    async def running(self, **how: Any) -> Any:
        """Have a firer that runs."""
        async with self.firer(**how) as firer:
            runner = asyncio.create_task(firer.run())
            try:
                yield runner
            finally:
                runner.cancel()
                await asyncio.gather(runner, return_exceptions=True)

    def slots(self, queue: str = "default", task: str = "task") -> list[int]:
        """Return the slots of the tasks in a queue, in its order."""
        client, found = self.server.client, []
        for identity in client.lrange(self.keys.ready(queue), 0, -1):
            envelope = decode_envelope(client.hget(self.keys.task, identity))  # type: ignore[arg-type]
            slot = slot_of(envelope.headers)
            assert slot is not None
            if envelope.name == task:
                found.append(round(slot.timestamp() * 1000))
        return found

    def last_ms(self, name: str = "n") -> int:
        client = self.server.client
        rows = rows_of(client.hgetall(self.keys.cron), client.hgetall(self.keys.cron_last))  # type: ignore[arg-type]
        return next(row.last_ms for row in rows if row.name == name)


@pytest.fixture
def scene(every_engine: RedisServer) -> Scene:
    return Scene(every_engine)


@pytest.fixture
def any_scene(redis_server: RedisServer) -> Scene:
    """On one engine, for what does not depend on the engine."""
    return Scene(redis_server)


def consecutive(slots: list[int]) -> bool:
    return [later - slot for slot, later in pairwise(slots)] == [1000] * (len(slots) - 1)


def steps(scene: Scene, times: int = 1, **how: Any) -> None:
    """Let one firer do so many steps."""

    async def scenario() -> None:
        async with scene.firer(**how) as firer:
            for _ in range(times):
                await firer.step()

    run(scenario())


# -- on time --------------------------------------------------------------------------------------


def test_two_keepers_that_race_fire_each_slot_once_and_none_early(scene: Scene) -> None:
    scene.publish(entry(), entry("other", task="other"))
    published_ms = scene.now_ms()

    async def scenario() -> None:
        async with scene.running(), scene.running():
            await auntil(lambda: len(scene.slots()) >= 3, "three slots were fired", 10)

    run(scenario())
    slots = scene.slots()
    assert consecutive(slots)
    assert slots[0] - published_ms <= 1000
    assert slots[-1] <= scene.now_ms()
    assert consecutive(scene.slots(task="other"))


def test_the_task_carries_arguments_slot_and_queue(any_scene: Scene) -> None:
    scene = any_scene
    scene.publish(
        entry(
            spec="* * * * * *", tz="Asia/Kathmandu", queue="low", args=[1, {"a": b"x"}], kwargs={"b": None}
        ),
        ago_ms=1500,
    )
    steps(scene)
    client = scene.server.client
    identity: Any = client.lindex(scene.keys.ready("low"), 0)
    envelope = decode_envelope(client.hget(scene.keys.task, identity))  # type: ignore[arg-type]
    assert (envelope.name, envelope.queue) == ("task", "low")
    assert (envelope.args, envelope.kwargs) == ([1, {"a": b"x"}], {"b": None})
    assert abs(envelope.enqueued_ms - scene.now_ms()) < 60_000
    slot = slot_of(envelope.headers)
    assert slot is not None and slot.isoformat().endswith("+05:45") and slot.microsecond == 0
    assert client.llen(scene.keys.bell("low")) == 1


def test_only_the_schedules_of_its_own_app_are_fired(any_scene: Scene) -> None:
    any_scene.publish(entry("theirs"), app="bakery:tq", ago_ms=3000)
    steps(any_scene, 3)
    assert any_scene.slots() == []


def test_a_schedule_that_is_declared_while_it_runs_is_taken_over_and_one_that_is_gone_stops(
    any_scene: Scene,
) -> None:
    scene = any_scene

    async def scenario() -> None:
        async with scene.running():
            scene.publish(entry())
            await auntil(lambda: scene.slots(), "the new schedule fires", 10)
            scene.publish(entry("later", task="later"))
            await auntil(lambda: scene.slots(task="later"), "so does the next one", 10)

    run(scenario())
    count = len(scene.slots())
    assert count <= 3
    steps(scene, 3)
    assert len(scene.slots()) == count


def test_a_keeper_that_was_away_for_seconds_fires_each_slot(scene: Scene) -> None:
    scene.publish(entry(), ago_ms=4500)
    begin_ms = scene.last_ms()
    steps(scene)
    slots = scene.slots()
    assert len(slots) >= 4 and consecutive(slots)
    assert slots[0] - begin_ms <= 1000


# -- after an outage ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("catch_up", "limit", "expected"), [("skip", 100, 0), ("once", 100, 1), ("all", 100, 2), ("all", 1, 1)]
)
def test_what_was_missed_is_made_up_for_as_the_schedule_says(
    scene: Scene, catch_up: str, limit: int, expected: int
) -> None:
    period_ms = 40 * 86_400_000
    spec = "every 40d"
    newest_ms = scene.now_ms() // period_ms * period_ms
    scene.publish(
        entry(spec=spec, catch_up=CatchUp(catch_up), catch_up_limit=limit),
        ago_ms=scene.now_ms() - (newest_ms - period_ms - 3_600_000),
    )
    if scene.now_ms() - newest_ms < 60_000:
        pytest.skip("the newest slot is a minute old, once in 40 days")
    steps(scene, 4)
    assert scene.slots() == [newest_ms - period_ms, newest_ms][2 - expected :]


def test_many_missed_slots_are_stored_in_several_calls(any_scene: Scene) -> None:
    any_scene.publish(entry(catch_up=CatchUp.ALL, catch_up_limit=50), ago_ms=3_600_000)
    steps(any_scene, 1, max_tasks=20)
    assert len(any_scene.slots()) == 20
    steps(any_scene, 4, max_tasks=20)
    slots = any_scene.slots()
    assert len(slots) >= 50 and consecutive(slots)
    assert any_scene.now_ms() - slots[-1] < 10_000


# -- disturbances ---------------------------------------------------------------------------------


def test_a_call_whose_reply_was_lost_is_not_done_twice(scene: Scene) -> None:
    scene.publish(entry(), ago_ms=2500)

    async def scenario() -> None:
        with CuttingProxy(scene.server.socket) as proxy:
            async with scene.firer(url=proxy.url) as firer:
                await firer.step()
                before = len(scene.slots())
                await auntil(lambda: scene.now_ms() // 1000 * 1000 > scene.last_ms(), "a slot is due", 10)
                proxy.cut_after_request(sha("fire").encode())
                with pytest.raises(StoreUnavailable):
                    await firer.step()
                await auntil(lambda: len(scene.slots()) > before, "the call has arrived")
                await firer.step()
                await firer.step()

    run(scenario())
    assert consecutive(scene.slots())


def test_a_restart_of_redis_loses_no_slot_and_doubles_none(engine: Engine) -> None:
    with RedisServer(engine.binary, appendonly=True) as server:
        scene = Scene(server)
        scene.publish(entry())

        async def scenario() -> None:
            async with scene.running():
                await auntil(lambda: len(scene.slots()) >= 1, "a slot was fired", 10)
                server.kill()
                server.start()
                before = len(scene.slots())
                await auntil(lambda: len(scene.slots()) >= before + 2, "it goes on", 20)

        run(scenario())
        assert consecutive(scene.slots())


def test_a_queue_that_cannot_be_written_holds_up_its_own_schedule_only(any_scene: Scene) -> None:
    scene = any_scene
    scene.server.client.set(scene.keys.ready("broken"), "garbage")
    scene.publish(entry("a", queue="broken"), entry("b"), ago_ms=2500)
    steps(scene, 2)
    assert scene.slots()
    scene.server.client.delete(scene.keys.ready("broken"))
    steps(scene)
    assert consecutive(scene.slots("broken"))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"shop:tq\n",
        b"shop:tq\n\xc1",
        b"shop:tq\n\x9a\x01\xa1t\xa1q\xa1x\xa3UTC\xa4skip\x01\x90\x80\xc4\x00",
    ],
)
def test_a_schedule_that_cannot_be_used_is_told_once_and_the_others_fire(
    any_scene: Scene, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    scene = any_scene
    scene.publish(entry(), ago_ms=1500)
    scene.server.client.hset(scene.keys.cron, "bad", value)

    async def scenario() -> None:
        async with scene.firer(tick_s=0.001) as firer:
            for n in range(3):
                scene.server.client.hset(scene.keys.cron_apps, APP, n)
                await firer.step()

    with caplog.at_level(logging.ERROR, "tqd"):
        run(scenario())
    assert scene.slots()
    assert len([row for row in caplog.records if "cannot be used" in row.getMessage()]) == 1


def test_a_schedule_whose_name_is_no_text_is_left_alone(any_scene: Scene) -> None:
    scene = any_scene
    scene.publish(entry(), ago_ms=1500)
    value = scene.server.client.hget(scene.keys.cron, "n")
    scene.server.client.hset(scene.keys.cron, b"\xff", value)  # type: ignore[arg-type]
    steps(scene, 3)
    assert consecutive(scene.slots())


@pytest.mark.parametrize("last", [b"", b"garbage", b"99999999999999999999:x", b"-:", b"9999999999999999:x"])
def test_garbage_about_the_last_slot_ends_nothing(any_scene: Scene, last: bytes) -> None:
    scene = any_scene
    scene.publish(entry(), entry("cron", "* * * * * *", task="cron", catch_up=CatchUp.ALL), ago_ms=1500)
    for name in ("n", "cron"):
        scene.server.client.hset(scene.keys.cron_last, name, last)
    steps(scene, 3)
    assert len(scene.slots()) <= 3
    assert len(scene.slots(task="cron")) <= 3


def test_the_slot_of_a_task_has_the_clock_of_its_zone() -> None:
    assert slot_of({"tqd.slot": "2026-03-29T03:00:00.000+02:00"}) == datetime.fromisoformat(
        "2026-03-29T01:00Z"
    )
    assert slot_of({}) is None
    assert slot_of({"tqd.slot": "soon"}) is None
    assert slot_of({"tqd.slot": "2026-03-29T03:00:00"}) is None
