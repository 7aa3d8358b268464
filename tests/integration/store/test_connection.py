"""One connection to Redis, asyncio or blocking: scripts that are missing, servers that are gone."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest
import redis

from tests.support.links import KINDS, AnyLink
from tests.support.redis_server import RedisServer
from tests.support.store_driver import envelope, identity
from tests.support.wait import auntil, until
from tqd.clock import wall_ms
from tqd.errors import StoreFull, StoreMismatch, StoreUnavailable
from tqd.store.calls import Command, NewTask, store_new
from tqd.store.connection import Endpoint, Link, accept
from tqd.store.keys import Keys

KEYS = Keys("test")
IMPATIENT_S = 0.2
SECRET = "s3cret"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def link(kind: str, redis_server: RedisServer) -> Iterator[AnyLink]:
    link = AnyLink(kind, Endpoint(redis_server.url, IMPATIENT_S, IMPATIENT_S))
    yield link
    link.close()


@pytest.fixture
def locked(redis_server: RedisServer) -> Iterator[RedisServer]:
    """A server that wants a password of every new connection."""
    redis_server.client.config_set("requirepass", SECRET)
    yield redis_server
    redis_server.client.config_set("requirepass", "")


def enqueue(number: int, call: int) -> Command:
    return store_new(KEYS, "p", call, [NewTask(identity(number), "default", envelope(number))])


def schedule(number: int, call: int) -> Command:
    return store_new(KEYS, "p", call, [NewTask(identity(number), "default", envelope(number), due_ms=1)])


# -- a server that cannot answer now -------------------------------------------------------------


def test_a_server_that_is_busy_with_a_script_is_unavailable_also_to_a_new_connection(
    kind: str, redis_server: RedisServer
) -> None:
    client = redis_server.client
    client.config_set("lua-time-limit", 1)
    blocked = socket.socket(socket.AF_UNIX)
    blocked.connect(redis_server.url.removeprefix("unix://"))
    blocked.sendall(b"EVAL 'while true do end' 0\r\n")
    until(lambda: is_busy(client), "the script is over its time limit", 20)
    link = AnyLink(kind, Endpoint(redis_server.url))
    with pytest.raises(StoreUnavailable, match="BUSY"):
        link.call("GET", "x")
    link.close()
    client.script_kill()
    until(lambda: not is_busy(client), "the script has ended", 20)
    blocked.close()
    client.config_set("lua-time-limit", 5000)


def is_busy(client: redis.Redis) -> bool:
    try:
        client.ping()
    except redis.ResponseError as error:
        return str(error).startswith("BUSY")
    return False


@pytest.mark.parametrize("how", ["a replica", "no replicas"])
def test_a_server_that_takes_no_writes_is_unavailable_and_takes_the_same_call_later(
    kind: str, every_engine: RedisServer, how: str
) -> None:
    """Also inside a script, where Redis 6.2 packs it into another error."""
    client = every_engine.client
    link = AnyLink(kind, Endpoint(every_engine.url))
    link.call(*enqueue(1, 1))
    forbid, allow = (
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"))
        if how == "a replica"
        else (
            ("CONFIG", "SET", "min-replicas-to-write", "1"),
            ("CONFIG", "SET", "min-replicas-to-write", "0"),
        )
    )
    client.execute_command(*forbid)
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=r"cannot be used now: .*; (point|bring)"):
                link.call(*enqueue(2, 2))
    finally:
        client.execute_command(*allow)
    assert link.call(*enqueue(2, 2)) == 1
    link.close()


# -- scripts -------------------------------------------------------------------------------------


def test_a_missing_script_is_loaded_and_called_again(kind: str, every_engine: RedisServer) -> None:
    link = AnyLink(kind, Endpoint(every_engine.url))
    for call in (1, 2):
        every_engine.client.script_flush()
        assert link.call(*enqueue(call, call)) == 1
    assert every_engine.client.hlen(KEYS.task) == 2
    link.close()


def test_only_the_call_of_the_missing_script_is_sent_again(kind: str, every_engine: RedisServer) -> None:
    link = AnyLink(kind, Endpoint(every_engine.url))
    every_engine.client.script_flush()
    link.call(*enqueue(1, 1))
    commands: list[Command] = [("INCR", "count"), schedule(2, 2), enqueue(3, 3), ("INCR", "count")]
    replies = link.exchange(commands)
    link.close()
    assert replies[0] == 1 and replies[3] == 2, "the answers keep their places"
    assert every_engine.client.get("count") == b"2"
    # `enqueue` ran with number 3 before `schedule` was there: hence a memory per place in producers.
    assert (replies[1], replies[2]) == (0, 1)


def test_a_refused_call_does_not_hide_the_answers_of_the_others(kind: str, link: AnyLink) -> None:
    link.call("SET", "text", "x")
    first, second, third = link.exchange([("PING",), ("LPUSH", "text", 1), ("GET", "text")])
    assert (first, third) == (b"PONG", b"x")
    with pytest.raises(StoreMismatch, match="Redis refused a call: WRONGTYPE"):
        accept(second)


def test_no_commands_only_connect(link: AnyLink, redis_server: RedisServer) -> None:
    before = len(redis_server.client.client_list())
    assert link.exchange([]) == []
    assert len(redis_server.client.client_list()) == before + 1


def test_many_large_replies_come_back_in_order(link: AnyLink) -> None:
    values = [bytes([n]) * 50_000 for n in range(100)]
    link.exchange([("SET", f"k{n}", value) for n, value in enumerate(values)])
    assert link.exchange([("GET", f"k{n}") for n in range(100)]) == values


# -- a server that is gone -----------------------------------------------------------------------


def test_a_restart_between_exchanges_costs_one_exchange(link: AnyLink, redis_server: RedisServer) -> None:
    link.call(*enqueue(1, 1))
    redis_server.restart()
    with pytest.raises(StoreUnavailable):
        link.call(*enqueue(2, 2))
    assert link.call(*enqueue(2, 2)) == 1, "connected anew, and the script loaded anew"


def test_a_server_that_does_not_answer_is_unavailable_in_bounded_time(
    link: AnyLink, redis_server: RedisServer
) -> None:
    link.call("PING")
    redis_server.pause()
    began = time.monotonic()
    try:
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            link.call("PING")
        with pytest.raises(StoreUnavailable):
            link.call("PING")  # a new connection, which is not greeted
    finally:
        redis_server.resume()
    assert time.monotonic() - began < 10 * IMPATIENT_S
    assert link.call("ECHO", "again") == b"again", "no late answer is taken for this one's"


def test_no_server_is_unavailable_and_says_where(kind: str) -> None:
    link = AnyLink(kind, Endpoint("unix:///nowhere/redis.sock"))
    with pytest.raises(StoreUnavailable, match=r"Redis at unix:///nowhere/redis.sock cannot be reached"):
        link.call("PING")
    link.close()


def test_a_killed_connection_is_opened_anew(link: AnyLink, redis_server: RedisServer) -> None:
    link.call("PING")
    redis_server.client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(StoreUnavailable):
        link.call("PING")
    assert link.call("PING") == b"PONG"


def test_a_cancelled_exchange_leaves_no_answer_for_the_next(redis_server: RedisServer) -> None:
    async def scenario() -> object:
        link = Link(Endpoint(redis_server.url))
        await link.call(("PING",))
        redis_server.pause()
        waiting = asyncio.create_task(link.call(("ECHO", "late")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        redis_server.resume()
        answer = await link.call(("ECHO", "mine"))
        await link.close()
        return answer

    assert asyncio.run(scenario()) == b"mine"


def test_closing_twice_is_harmless_and_the_next_exchange_connects(redis_server: RedisServer) -> None:
    async def scenario() -> object:
        link = Link(Endpoint(redis_server.url))
        await link.close()
        await link.call(("PING",))
        await link.close()
        await link.close()
        answer = await link.call(("PING",))
        await link.close()
        return answer

    assert asyncio.run(scenario()) == b"PONG"


def test_a_database_that_is_not_there_is_no_passing_trouble(kind: str, redis_server: RedisServer) -> None:
    link = AnyLink(kind, Endpoint(f"{redis_server.url}?db=99"))
    with pytest.raises(StoreMismatch, match=r"refused the connection: .*out of range"):
        link.call("PING")
    link.close()


# -- who we are ----------------------------------------------------------------------------------


def test_a_wrong_password_is_said_and_not_shown(kind: str, locked: RedisServer) -> None:
    link = AnyLink(kind, Endpoint(f"unix://default:not-{SECRET}@{locked.socket}"))
    with pytest.raises(StoreMismatch, match=r"refused the connection: .*check user and password") as refused:
        link.call("PING")
    link.close()
    assert SECRET not in str(refused.value)


def test_a_missing_password_is_said(kind: str, locked: RedisServer) -> None:
    link = AnyLink(kind, Endpoint(locked.url))
    with pytest.raises(StoreMismatch, match="check user and password"):
        link.call("PING")
    link.close()


def test_the_right_password_is_taken(kind: str, locked: RedisServer) -> None:
    for url in (f"unix://default:{SECRET}@{locked.socket}", f"unix://{locked.socket}?password={SECRET}"):
        link = AnyLink(kind, Endpoint(url))
        assert link.call("PING") == b"PONG"
        link.close()


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}@host:6379/0",
        f"redis://user:{SECRET}@host",
        f"redis://user:a@{SECRET}@host",
        f"unix://user:{SECRET}@/run/redis.sock",
        f"redis://host/0?password={SECRET}",
        f"redis://host/0?db=1&password={SECRET}&x=1",
    ],
)
def test_a_url_is_shown_without_its_password(url: str) -> None:
    assert SECRET not in str(Endpoint(url))
    assert "***" in str(Endpoint(url))


@pytest.mark.parametrize("url", ["localhost:6379", "http://host", f"redis://:{SECRET}/x@host", ""])
def test_a_url_that_is_none_is_said_without_its_password(kind: str, url: str) -> None:
    link = AnyLink(kind, Endpoint(url))
    with pytest.raises(StoreMismatch, match="is no URL of a Redis") as refused:
        link.call("PING")
    link.close()
    assert SECRET not in str(refused.value)


# -- memory --------------------------------------------------------------------------------------


def test_a_full_redis_is_its_own_error_even_when_the_script_was_missing(
    kind: str, every_engine: RedisServer
) -> None:
    link = AnyLink(kind, Endpoint(every_engine.url))
    link.call("PING")
    every_engine.client.script_flush()
    every_engine.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreFull):
            link.call(*enqueue(1, 1))
        with pytest.raises(StoreFull):
            link.call("SET", "x", 1)
    finally:
        every_engine.client.config_set("maxmemory", 0)
    link.close()


def test_a_refused_first_question_leaves_no_connection_behind(redis_server: RedisServer) -> None:
    """As a Redis that still loads its data does, again and again: here the question itself is forbidden."""
    rights = {"commands": ["+@all", "-time"], "keys": ["*"]}
    redis_server.client.acl_setuser("mute", enabled=True, nopass=True, **rights)
    url = redis_server.url.replace("unix://", "unix://mute:@")

    async def scenario() -> None:
        link = Link(Endpoint(url))
        for _ in range(3):
            with pytest.raises(StoreMismatch):
                await link.exchange([("PING",)])
        clients = redis_server.client.client_list
        await auntil(lambda: not [c for c in clients() if c["user"] == "mute"], "all are closed")

    try:
        asyncio.run(scenario())
    finally:
        redis_server.client.acl_deluser("mute")


# -- the clock -----------------------------------------------------------------------------------


def test_a_pause_of_redis_while_its_clock_is_read_does_not_shift_it(redis_server: RedisServer) -> None:
    # Half of the pause would be the error: delayed tasks would start so much too early, or too late.
    async def scenario() -> int:
        link = Link(Endpoint(redis_server.url))
        await link.exchange([])
        redis_server.pause()
        asyncio.get_running_loop().call_later(1.0, redis_server.resume)
        await link.synchronise()
        off_ms = link.clock.now_ms() - wall_ms()
        await link.close()
        return off_ms

    assert abs(asyncio.run(scenario())) < 300
