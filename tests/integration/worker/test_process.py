"""A worker as a process of its own, with the test as its master: what a loop in a test cannot show."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis

from tests.support.engines import engines
from tests.support.forked import Forked
from tests.support.places import places
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tests.support.worker import NAMESPACE
from tests.support.worker_process import App
from tqd.store.keys import Keys
from tqd.system import exits
from tqd.wire.messages import Beat, Blocked, Drain, Failed, HardDeadline, Quiet, Ready, ReopenLog

KEYS = Keys(NAMESPACE)

BLOCKERS = """
    @tq.task(max_retries=7, retry_delay=2)
    async def sleeps():
        time.sleep(600)  # here sleeps

    @tq.task
    async def spins():
        while True: pass  # here spins

    @tq.task
    async def matches():
        re.match(r"(a+)+$", "a" * 60 + "b")  # here matches

    @tq.task
    async def gathers():
        async def inner():
            await asyncio.sleep(0)
            time.sleep(600)  # here gathers
        await asyncio.gather(inner(), asyncio.sleep(600))

    @tq.task
    async def calls_back():
        def inner():
            time.sleep(600)  # here calls_back
        asyncio.get_running_loop().call_later(0.01, inner)
        await asyncio.sleep(600)

    @tq.task
    async def computes():
        sorted([1] * 10, key=Slow())  # here computes

    class Slow:
        def __call__(self, item):
            return sum(range(10 ** 11))

    @tq.task
    def thread():
        time.sleep(600)  # here thread

    @tq.task
    async def waits():
        await asyncio.sleep(600)
"""

ENDS = """
    @tq.task(hard_timeout=0.5, max_retries=3, retry_delay=600)
    def thread_for_ever():
        time.sleep(600)

    @tq.task(hard_timeout=0.5, max_retries=3, retry_delay=600)
    async def will_not_end():
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                pass

    @tq.task
    async def leaves_much_behind():
        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(600)
                except asyncio.CancelledError:
                    pass
        asyncio.create_task(stubborn())
        threading.Thread(target=time.sleep, args=(600,)).start()
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)
        async def cleans_up():
            try:
                await asyncio.sleep(600)
            finally:
                open(os.path.join(os.path.dirname(__file__), "cleaned"), "w").close()
        asyncio.create_task(cleans_up())

    @tq.task
    def blocks_a_thread():
        time.sleep(600)

    @tq.task
    async def waits():
        await asyncio.sleep(600)

    @tq.task
    async def works():
        pass
"""

Make = Callable[..., App]
T = TypeVar("T")


@pytest.fixture
def app(tmp_path: Path, redis_server: RedisServer) -> Make:
    def make(source: str, url: str = "") -> App:
        return App(tmp_path, url or redis_server.url, source)

    return make


def where(server: RedisServer) -> dict[bytes, str]:
    return places(server.client, KEYS)


def held(server: RedisServer, count: int) -> None:
    """Wait until workers hold so many tasks."""
    until(
        lambda: sum(place.startswith("claims:") for place in where(server).values()) == count,
        f"{count} tasks are claimed",
        20,
    )


# -- the answer to SIGUSR1 -----------------------------------------------------------------------


@pytest.mark.parametrize("task", ["sleeps", "spins", "matches", "gathers", "calls_back"])
def test_whoever_blocks_the_loop_is_named_with_its_line(
    app: Make, redis_server: RedisServer, task: str
) -> None:
    shop = app(BLOCKERS)
    with shop.ready_worker() as worker:
        shop.enqueue("waits")
        identity = shop.enqueue(task)
        held(redis_server, 2)
        line = shop.line_of(f"here {task}")
        place = f"{shop.file}:{line} in "
        blocked = asked_until(worker, lambda: worker.heard(Blocked, lambda m: m.place.startswith(place)))
        assert blocked.place.removeprefix(place) == ("inner" if task in ("gathers", "calls_back") else task)
        assert (blocked.task_id, blocked.token) == (identity, b"1:0:0:default")
        assert blocked.name == f"{shop.name}.{task}"
        if task == "sleeps":
            assert blocked.policy == [7, 2.0, 600.0, 0.0, 0.0]
        worker.child.read_dump()
        worker.signal(signal.SIGUSR1)
        dump = worker.dump(f'"{shop.file}", line {line} in')
        assert dump.count("Current thread") == 1
        assert not worker.ended, "and it goes on"


def asked_until(worker: Forked, answer: Callable[[], T | None]) -> T:
    """Send SIGUSR1 until there is an answer: the first ones may come before the loop is blocked."""

    def ask() -> T | None:
        worker.signal(signal.SIGUSR1)
        time.sleep(0.05)
        return answer()

    found = until(ask, f"an answer, not {worker.messages}", 20)
    assert found is not None
    return found


def test_code_in_c_that_never_looks_at_signals_leaves_its_stack_only(
    app: Make, redis_server: RedisServer
) -> None:
    shop = app(BLOCKERS)
    with shop.ready_worker() as worker:
        shop.enqueue("computes")
        held(redis_server, 1)

        def only_a_stack() -> bool:
            worker.messages.clear()
            asked_until(worker, lambda: "in __call__" in worker.child.read_dump())
            return worker.heard(Blocked) is None

        # The first signals may come while it is on its way into the sum.
        asked_until(worker, lambda: "in __call__" in worker.child.read_dump())
        until(lambda: all(only_a_stack() for _ in range(5)), "there are stacks only", 60)


@pytest.mark.parametrize("task", ["thread", "waits", None])
def test_a_loop_that_is_not_blocked_blames_nobody(
    app: Make, redis_server: RedisServer, task: str | None
) -> None:
    shop = app(BLOCKERS)
    with shop.ready_worker() as worker:
        if task:
            shop.enqueue(task)
            held(redis_server, 1)

        def nobody() -> bool:
            worker.heard(Beat)
            worker.messages.clear()
            for _ in range(3):
                # Asked again: a signal that comes while the last one's is being passed on to Python's
                # handler writes no stacks of its own.
                asked_until(worker, lambda: "in run_last" in worker.child.read_dump())
            worker.wait_for(Beat)
            return worker.heard(Blocked) is None

        # The first signals may come while the task is on its way to where it waits.
        until(nobody, "nobody is blamed", 60)
        assert not worker.ended


def test_a_signal_at_any_moment_of_a_busy_worker_harms_nothing(app: Make, redis_server: RedisServer) -> None:
    shop = app(ENDS)
    with shop.ready_worker(slots=16) as worker:
        for _ in range(20):
            shop.queue.enqueue_many([shop.queue.named(f"{shop.name}.works").call() for _ in range(200)])
            for _ in range(5):
                worker.signal(signal.SIGUSR1)
                time.sleep(0.002)
        until(lambda: not redis_server.client.exists(KEYS.task), "all are done", 30)
        worker.send(Drain(5.0))
        assert worker.exit_code() == 0
        last = worker.heard(Beat)
        assert last is not None and (last.done, last.failed, last.retried) == (4000, 0, 0)


# -- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["thread_for_ever", "will_not_end"])
def test_code_over_its_hard_timeout_ends_with_the_process(
    app: Make, redis_server: RedisServer, task: str
) -> None:
    shop = app(ENDS)
    with shop.ready_worker() as worker:
        other = shop.enqueue("waits")
        late = shop.enqueue(task)
        assert worker.wait_for(HardDeadline, lambda m: m.task_id == late).name == f"{shop.name}.{task}"
        assert worker.exit_code() == exits.OVERTIME
        assert where(redis_server) == {other: "ready:default", late: "due:default"}
        assert redis_server.client.hget(KEYS.attempts, late) == b"1:1:0"
        assert redis_server.client.hget(KEYS.attempts, other) == b"1:0:0"


def test_the_master_hears_of_a_hard_deadline_before_a_task_can_block_the_loop(
    app: Make, redis_server: RedisServer
) -> None:
    shop = app(BLOCKERS)
    with shop.ready_worker() as worker:
        identity = shop.enqueue("sleeps", hard_timeout=300)
        message = worker.wait_for(HardDeadline)
        assert message.task_id == identity and message.limit_s == 300.0
        assert message.policy == [7, 2.0, 600.0, 0.0, 0.0]


def test_the_end_waits_neither_for_threads_nor_for_what_tasks_left_behind(
    app: Make, redis_server: RedisServer
) -> None:
    shop = app(ENDS)
    with shop.ready_worker() as worker:
        shop.enqueue("leaves_much_behind")
        until(lambda: not where(redis_server), "it is done", 20)
        blocked = shop.enqueue("blocks_a_thread")
        held(redis_server, 1)
        began = time.monotonic()
        worker.send(Drain(0.5))
        assert worker.exit_code() == 0
        assert time.monotonic() - began < 10
        assert where(redis_server) == {blocked: "ready:default"}
        assert redis_server.client.hget(KEYS.attempts, blocked) == b"1:0:0"


def test_what_tasks_left_behind_may_clean_up(app: Make, redis_server: RedisServer, tmp_path: Path) -> None:
    shop = app(ENDS)
    with shop.ready_worker() as worker:
        shop.enqueue("leaves_much_behind")
        until(lambda: not where(redis_server), "it is done", 20)
        worker.send(Drain(5.0))
        assert worker.exit_code() == 0
        assert (tmp_path / "cleaned").exists()


def test_an_idle_worker_ends_at_once(app: Make) -> None:
    shop = app(ENDS)
    with shop.ready_worker() as worker:
        worker.wait_for(Beat)
        time.sleep(0.1)
        began = time.monotonic()
        worker.send(Drain(30.0))
        assert worker.exit_code() == 0
        assert time.monotonic() - began < 2


def test_a_worker_whose_redis_hangs_gives_up_in_time(app: Make) -> None:
    """Nothing can be settled; the keeper takes back what it held."""
    with RedisServer(engines()[0].binary) as server:
        shop = app(ENDS, server.url)
        with shop.ready_worker() as worker:
            shop.enqueue("waits")
            held(server, 1)
            server.pause()
            try:
                began = time.monotonic()
                worker.send(Drain(0.5))
                assert worker.exit_code() == 0
                assert time.monotonic() - began < 8
            finally:
                server.resume()


def test_an_orphan_drains(app: Make) -> None:
    shop = app(ENDS)
    with shop.ready_worker() as worker:
        worker.orphan()
        assert worker.exit_code() == 0


# -- the beginning -------------------------------------------------------------------------------


def test_a_worker_waits_for_redis_as_long_as_it_is_told(app: Make, tmp_path: Path) -> None:
    shop = app(ENDS, f"unix://{tmp_path}/nowhere.sock")
    with shop.worker(patience_s=0.3) as worker:
        failed = worker.wait_for(Failed)
        assert failed.exit_code == exits.UNAVAILABLE and "cannot be reached" in failed.text
        assert worker.exit_code() == exits.UNAVAILABLE


def test_a_patient_worker_is_ready_when_redis_is(app: Make) -> None:
    with RedisServer(engines()[0].binary) as server:
        server.stop()
        shop = app(ENDS, server.url)
        with shop.worker(patience_s=600.0) as worker:
            time.sleep(0.5)
            assert not worker.ended and worker.heard(Ready) is None
            server.start()
            worker.wait_for(Ready)


@pytest.mark.parametrize("redis", ["is not there", "hangs"])
@pytest.mark.parametrize("word", ["drain", "TERM", "the master dies"])
def test_a_worker_that_waits_for_redis_leaves_when_it_is_told(app: Make, redis: str, word: str) -> None:
    with RedisServer(engines()[0].binary) as server:
        shop = app(ENDS, server.url)
        server.pause() if redis == "hangs" else server.kill()
        try:
            with shop.worker(patience_s=600.0) as worker:
                time.sleep(0.7)
                began = time.monotonic()
                if word == "drain":
                    worker.send(Drain(30.0))
                elif word == "TERM":
                    worker.signal(signal.SIGTERM)
                else:
                    worker.orphan()
                assert worker.exit_code() == 0
                assert time.monotonic() - began < 2.5
                assert worker.heard(Ready) is None
        finally:
            if redis == "hangs":
                server.resume()


def test_a_worker_that_is_to_be_quiet_before_it_is_ready_is_quiet(
    app: Make, redis_server: RedisServer
) -> None:
    shop = app(ENDS)
    identity = shop.enqueue("works")
    with shop.worker() as worker:
        worker.send(Quiet(True))
        worker.wait_for(Ready)
        assert worker.wait_for(Beat).claiming is False
        time.sleep(0.2)
        assert where(redis_server) == {identity: "ready:default"}
        worker.send(Quiet(False))
        until(lambda: not where(redis_server), "it works again", 20)


def test_a_module_is_found_although_its_folder_was_seen_without_it(app: Make, tmp_path: Path) -> None:
    """As the master sees it: it may have looked into the folder before the deploy wrote into it."""
    folder = tmp_path / "release"
    folder.mkdir()
    os.utime(folder, (1, 1))
    sys.path.insert(0, str(folder))
    try:
        assert importlib.util.find_spec("shop_that_comes_later") is None
        shop = app(ENDS)
        (folder / "shop_that_comes_later.py").write_text("value = 5\n")
        os.utime(folder, (1, 1))  # so that the folder's time does not tell
        shop.file.write_text("import shop_that_comes_later\n" + shop.file.read_text())
        shop.ready_worker().__exit__(None, None, None)
    finally:
        sys.path.remove(str(folder))


def test_a_directory_that_is_a_link_is_taken_as_it_is(app: Make, tmp_path: Path) -> None:
    shop = app("")
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        source = shop.file.read_text() + f"\n@tq.task(name='{release}')\nasync def task(): ...\n"
        (tmp_path / release / f"{shop.name}_linked.py").write_text(source)
    shop.name += "_linked"
    link = tmp_path / "current"
    link.symlink_to("one")
    for release in ("one", "two"):
        link.unlink()
        link.symlink_to(release)
        with shop.ready_worker(directory=str(link)) as worker:
            shop.queue.named(release).enqueue()
            until(lambda: not where_of(shop), f"{release} is known", 20)
            worker.send(Drain(1.0))
            assert worker.exit_code() == 0


def where_of(shop: App) -> Any:
    with redis.Redis.from_url(shop.url) as client:
        return places(client, KEYS)


# -- the rest ------------------------------------------------------------------------------------


def test_the_log_goes_on_in_a_new_file_and_an_unusable_one_is_said(app: Make, tmp_path: Path) -> None:
    shop = app(ENDS)
    log = tmp_path / "new.log"
    with shop.ready_worker() as worker:
        worker.send(ReopenLog(str(log)))
        worker.send(ReopenLog(str(tmp_path / "missing" / "tqd.log")))
        until(
            lambda: log.exists() and "the log goes on into the old file" in log.read_text(), "it is said", 10
        )
        worker.send(Drain(1.0))
        assert worker.exit_code() == 0


def test_a_password_is_used_where_the_url_has_none_and_told_to_nobody(
    app: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "s3cret/@:word"
    with RedisServer(engines()[0].binary) as server:
        server.client.config_set("requirepass", secret)
        shop = app(ENDS, server.url)
        with shop.worker(password=secret, patience_s=0.5) as worker:
            ready = worker.wait_for(Ready)
            assert ready.redis_url == server.url
            worker.send(Drain(1.0))
            assert worker.exit_code() == 0
        with shop.worker(password="wrong" + secret, patience_s=0.5) as worker:
            failed = worker.wait_for(Failed)
            assert secret not in failed.text and "check user and password" in failed.text
    assert secret not in "".join(capfd.readouterr())
