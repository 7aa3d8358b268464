"""What the keeper keeps for the master outlives both, and Redis's absence."""

from __future__ import annotations

import time

from tests.integration.keeper.conftest import OURS
from tests.integration.keeper.test_process import NAMESPACE, keeper
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd.keeper.remembering import RECALLED_DECISIONS
from tqd.store.keys import Keys
from tqd.wire.messages import Decided, KeeperBeat, Ready, Remember
from tqd.wire.parts import Whole, parted

KEY = Keys(NAMESPACE).scaling(OURS.name)
NOTED = Keys(NAMESPACE).decisions(OURS.name)
CURRENT = Keys(NAMESPACE).current(OURS.name)


def test_the_next_keeper_of_this_daemon_tells_what_was_kept(redis_server: RedisServer) -> None:
    with keeper(redis_server.url) as forked:
        assert forked.wait_for(Remember).data == b""
        forked.wait_for(Ready)
        for part in parted(b"one") + parted(b"two" * 5000):
            forked.send(part)
        until(lambda: redis_server.client.get(KEY) == b"two" * 5000, "the newest is kept")
    assert 0 < redis_server.client.ttl(KEY) <= 30 * 86_400
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        whole = Whole()
        told = [whole.take(one) for one in forked.messages if isinstance(one, Remember)]
        assert told[-1] == b"two" * 5000


def test_what_cannot_be_read_is_nothing_and_the_keeper_serves(redis_server: RedisServer) -> None:
    redis_server.client.rpush(KEY, b"a list")
    with keeper(redis_server.url) as forked:
        assert forked.wait_for(Remember).data == b""
        forked.wait_for(Ready)
        forked.send(*parted(b"new"))
        until(lambda: redis_server.client.type(KEY) == b"string", "it is replaced")
        assert redis_server.client.get(KEY) == b"new"


def test_what_is_given_while_redis_is_away_is_kept_when_it_is_back(redis_server: RedisServer) -> None:
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        redis_server.kill()
        forked.send(*parted(b"lost?"))
        redis_server.restart()
        until(lambda: redis_server.client.get(KEY) == b"lost?", "it is kept", 20)


def test_more_than_a_pipe_holds_is_told_whole_before_the_keeper_is_ready(redis_server: RedisServer) -> None:
    keys, state = Keys(NAMESPACE), bytes(range(256)) * 350
    redis_server.client.set(KEY, state)
    redis_server.client.rpush(keys.decisions(OURS.name), *[b"x" * 3000] * RECALLED_DECISIONS)
    with keeper(redis_server.url) as forked:
        time.sleep(2.0)  # the pipe fills up, and nobody reads
        forked.wait_for(Ready)
        kinds = [type(one) for one in forked.messages if not isinstance(one, KeeperBeat)]
        assert kinds == [Remember] * len(parted(state)) + [Decided] * RECALLED_DECISIONS + [Ready]
        whole = Whole()
        assert [whole.take(one) for one in forked.messages if isinstance(one, Remember)][-1] == state


def test_decisions_of_another_type_do_not_keep_the_state_from_being_told_and_kept(
    redis_server: RedisServer,
) -> None:
    redis_server.client.set(KEY, b"old")
    redis_server.client.set(Keys(NAMESPACE).decisions(OURS.name), b"no list")
    with keeper(redis_server.url) as forked:
        assert forked.wait_for(Remember).data == b"old"
        forked.wait_for(Ready)
        forked.send(Decided(b"{}"))
        forked.send(*parted(b"new"))
        until(lambda: redis_server.client.get(KEY) == b"new", "it is kept")


def test_the_very_last_decision_is_kept_by_itself_until_it_is_old_or_taken_back(
    redis_server: RedisServer,
) -> None:
    client = redis_server.client
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        forked.send(Decided(b'{"to": 1}', True, 16))
        forked.send(Decided(b'{"to": 2}', False, 16))
        until(lambda: client.get(CURRENT) == b'{"to": 2}', "the last one is kept")
        assert 0 < client.ttl(CURRENT) <= 16
        assert client.lrange(NOTED, 0, -1) == [b'{"to": 1}']
        forked.send(Decided(b"", False))
        until(lambda: not client.exists(CURRENT), "there is none any more")
        assert client.lrange(NOTED, 0, -1) == [b'{"to": 1}']
