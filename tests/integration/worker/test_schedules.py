"""What a worker declares is published once it may claim, and a handler can read its slot."""

from __future__ import annotations

import asyncio
from datetime import datetime

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import Context, TaskQueue
from tqd.store.calls import NewTask
from tqd.store.cron_table import Row, rows_of
from tqd.store.producer import Producer
from tqd.task.identity import task_id
from tqd.wire.cron_entry import entry_envelope


def published(bench: Bench) -> dict[str, Row]:
    client, keys = bench.client, bench.keys
    return {row.name: row for row in rows_of(client.hgetall(keys.cron), client.hgetall(keys.cron_last))}  # type: ignore[arg-type]


def declared(bench: Bench) -> bool:
    return bool(bench.client.exists(bench.keys.cron_apps))


def test_a_worker_publishes_what_its_code_declares_and_what_is_gone_is_removed(bench: Bench) -> None:
    @bench.queue.every("1h", name="hourly")
    @bench.queue.task(name="report", queue="low_priority")
    async def report() -> None: ...

    empty = TaskQueue(bench.server.url, namespace=bench.queue.namespace)

    async def scenario() -> None:
        async with bench.worker():
            await auntil(lambda: "hourly" in published(bench), "it is published", 10)
            (row,) = published(bench).values()
            assert row.entry is not None and (row.entry.task, row.entry.queue) == ("report", "low_priority")
        async with bench.worker(app=empty):
            await auntil(lambda: published(bench) == {}, "later code has none", 10)

    bench.run(scenario())


def test_code_of_a_generation_that_may_yet_be_refused_publishes_nothing(bench: Bench) -> None:
    @bench.queue.every("1h", name="hourly")
    async def report() -> None: ...

    async def scenario() -> None:
        async with bench.worker(quiet=True) as worker:
            await auntil(lambda: worker.channel.messages, "it beats", 10)
            await asyncio.sleep(0.1)
            assert not declared(bench)
            worker.lifecycle.set_quiet(False)
            await auntil(lambda: "hourly" in published(bench), "it may now", 10)

    bench.run(scenario())


def test_a_redis_that_refuses_is_asked_again_and_tasks_run_meanwhile(bench: Bench) -> None:
    ran = asyncio.Event()

    @bench.queue.every("1h", name="hourly")
    @bench.queue.task(name="report")
    async def report() -> None:
        ran.set()

    bench.client.set(bench.keys.cron, "garbage")

    async def scenario() -> None:
        async with bench.worker():
            await report.aenqueue()
            await asyncio.wait_for(ran.wait(), 10)
            assert not declared(bench)
            bench.client.delete(bench.keys.cron)
            await auntil(lambda: "hourly" in published(bench), "it is published", 10)

    bench.run(scenario())


def test_a_handler_reads_its_slot_and_has_none_when_it_was_enqueued(bench: Bench) -> None:
    seen: list[datetime | None] = []

    @bench.queue.every("1h", name="hourly")
    @bench.queue.task(name="report")
    async def report(ctx: Context) -> None:
        seen.append(ctx.slot)

    (entry,) = bench.queue.registry.schedules()
    slot = "2026-03-29T03:00:00.000+02:00"

    async def scenario() -> None:
        producer = Producer(bench.queue.endpoint, bench.keys)
        task = NewTask(task_id(1, 0, b"12345678"), "default", entry_envelope(entry, 1, slot))
        assert await producer.store([task]) == {}
        await producer.close()
        async with bench.worker():
            await bench.all_settled()
            await report.using(headers={"other": "header"}).aenqueue()
            await bench.all_settled()

    bench.run(scenario())
    assert seen == [datetime.fromisoformat(slot), None]
    assert seen[0] is not None and seen[0].isoformat() == "2026-03-29T03:00:00+02:00"
