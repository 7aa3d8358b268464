"""A probe as a process of its own, with the test as its master."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forked import Forked
from tests.support.places import places
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tests.support.worker import NAMESPACE
from tests.support.worker_process import App
from tqd.store.keys import Keys
from tqd.wire.messages import Doomed, Drain, Holding

KEYS = Keys(NAMESPACE)
SOURCE = """
    import signal
    here = os.path.dirname(__file__)

    @tq.task(max_retries=2, retry_delay=600)
    async def fails():
        raise ValueError("no")

    @tq.task
    async def works(ctx: Context):
        with open(os.path.join(here, "ran"), "a") as file:
            file.write(f"{ctx.attempt}.{ctx.fence} ")

    @tq.task
    async def waits():
        await asyncio.sleep(600)

    @tq.task
    async def kills():
        os.kill(os.getpid(), signal.SIGKILL)

    @tq.task
    async def crashes():
        os.abort()
"""


@pytest.fixture
def app(redis_server: RedisServer, tmp_path: Path) -> Iterator[App]:
    app = App(tmp_path, redis_server.url, SOURCE)
    yield app
    app.queue.close()


def suspect(app: App, server: RedisServer, name: str) -> bytes:
    """Make a task one that was there when two workers died."""
    identity = app.enqueue(name)
    server.client.lrem(KEYS.ready("default"), 1, identity)  # type: ignore[arg-type]
    server.client.hset(KEYS.attempts, identity, b"2:0:2")  # type: ignore[arg-type]
    server.client.rpush(KEYS.suspect("default"), identity)
    return identity


def held(forked: Forked, identity: bytes) -> Holding:
    return forked.wait_for(Holding, lambda m: m.task_id == identity)


def test_a_probe_runs_suspects_and_leaves_other_tasks_alone(app: App, redis_server: RedisServer) -> None:
    other = app.enqueue("works")
    one = suspect(app, redis_server, "works")
    with app.ready_worker(probe=True) as forked:
        until(lambda: list(places(redis_server.client, KEYS)) == [other], "the suspect is done")
        assert (app.directory / "ran").read_text() == "1.3 ", "no attempt is charged"
        forked.wait_for(Holding, lambda m: m.task_id == b"")
        assert [m.task_id for m in forked.messages if isinstance(m, Holding)] == [one, b""]
        two = suspect(app, redis_server, "works")
        redis_server.client.rpush(KEYS.suspect_bell, b"1")
        held(forked, two)
        until(lambda: list(places(redis_server.client, KEYS)) == [other], "it hears the suspects' bell")


def test_a_probe_that_drains_gives_its_suspect_back_to_the_suspects(
    app: App, redis_server: RedisServer
) -> None:
    one = suspect(app, redis_server, "waits")
    with app.ready_worker(probe=True) as forked:
        held(forked, one)
        forked.send(Drain(0.0))
        assert forked.exit_code() == 0
        assert places(redis_server.client, KEYS) == {one: "suspect:default"}
        last = [m for m in forked.messages if isinstance(m, Holding)][-1]
        assert last.task_id == b"", "it died of nothing"


def test_a_suspect_that_raises_is_retried_like_any_other_and_is_no_suspect_any_more(
    app: App, redis_server: RedisServer
) -> None:
    one = suspect(app, redis_server, "fails")
    with app.ready_worker(probe=True):
        until(lambda: places(redis_server.client, KEYS) == {one: "due:default"}, "it is scheduled")
        assert redis_server.client.hget(KEYS.attempts, one) == b"3:1:0"  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "code"), [("kills", -signal.SIGKILL), ("crashes", -signal.SIGABRT)])
def test_the_master_knows_what_the_probe_died_of(
    app: App, redis_server: RedisServer, name: str, code: int
) -> None:
    one = suspect(app, redis_server, name)
    with app.ready_worker(probe=True) as forked:
        assert forked.exit_code() == code
        assert forked.wait_for(Holding).task_id == one
        assert (forked.heard(Doomed) is not None) == (name == "kills")
