"""Code of tasks that leaves by SystemExit or KeyboardInterrupt outside of the handler's own frame.

asyncio lets these two out of the loop, and with it the whole process would end, with all its tasks.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.places import places
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tests.support.worker import NAMESPACE
from tests.support.worker_process import App
from tqd.store.keys import Keys
from tqd.wire.messages import Beat, Drain
from tqd.wire.records import FailureRecord

KEYS = Keys(NAMESPACE)

LEAVERS = """
    ENDS = {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}

    @tq.task(max_retries=0)
    async def awaited(kind):
        async def inner():
            await asyncio.sleep(0)
            raise ENDS[kind]("left")
        await asyncio.gather(inner())

    @tq.task(max_retries=0)
    async def grouped(kind):
        async def inner():
            raise ENDS[kind]("left")
        async with asyncio.TaskGroup() as group:
            group.create_task(inner())

    @tq.task
    async def left_behind(kind):
        async def inner():
            await asyncio.sleep(0.01)
            raise ENDS[kind]("left")
        asyncio.create_task(inner())

    @tq.task
    async def called_back(kind):
        def inner():
            raise ENDS[kind]("left")
        asyncio.get_running_loop().call_later(0.01, inner)
        await asyncio.sleep(0.05)

    @tq.task(max_retries=0)
    def in_a_thread(kind):
        def inner():
            raise ENDS[kind]("left")
        thread = threading.Thread(target=inner)
        thread.start()
        thread.join()
        raise ENDS[kind]("left")

    @tq.task
    async def neighbour():
        await asyncio.sleep(1)
"""


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt"])
def test_whatever_leaves_leaves_alone(tmp_path: Path, redis_server: RedisServer, kind: str) -> None:
    shop = App(tmp_path, redis_server.url, LEAVERS)
    client = redis_server.client
    with shop.ready_worker(slots=16) as worker:
        neighbours = [shop.enqueue("neighbour") for _ in range(4)]
        failing = [shop.enqueue(task, kind) for task in ("awaited", "grouped", "in_a_thread")]
        well = [shop.enqueue(task, kind) for task in ("left_behind", "called_back")]
        until(lambda: not client.exists(KEYS.task), "all have ended", 20)
        assert places(client, KEYS) == dict.fromkeys(failing, "dead")
        for identity in failing:
            record = FailureRecord.decode(client.hget(KEYS.failure, identity))  # type: ignore[arg-type]
            assert kind in record.errors[0][0] + record.errors[0][2]
        ends = (len(failing), len(neighbours) + len(well))
        worker.wait_for(Beat, lambda beat: (beat.failed, beat.done) == ends)
        worker.send(Drain(5.0))
        assert worker.exit_code() == 0
