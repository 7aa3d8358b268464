"""What the autoscalers of a namespace have noted, as a producer asks for it."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.redis_server import RedisServer
from tqd import TaskQueue
from tqd.store.keys import Keys

KEYS = Keys("tqd")


def note(server: RedisServer, name: str, *decisions: object) -> None:
    """Note decisions as the keeper of a daemon that lives does."""
    server.client.zadd(KEYS.nodes, {f"{name}~host~run": 2e12})
    for one in decisions:
        server.client.rpush(KEYS.decisions(name), one if isinstance(one, bytes) else json.dumps(one))


def test_the_last_decisions_of_each_daemon_are_told(redis_server: RedisServer) -> None:
    note(redis_server, "web-1", {"to": 1, "sentence": "one"}, {"to": 2, "sentence": "two"})
    note(redis_server, "web-2", {"to": 3, "sentence": "three"})
    with TaskQueue(redis_server.url) as queue:
        assert queue.scaling.decisions(1) == {
            "web-1": [{"to": 2, "sentence": "two"}], "web-2": [{"to": 3, "sentence": "three"}]
        }  # fmt: skip
        assert queue.scaling.get_scaling_recommendations() == "web-1: two\nweb-2: three"
        assert asyncio.run(queue.scaling.aget_scaling_recommendations()) == "web-1: two\nweb-2: three"


def test_without_daemons_or_decisions_there_is_nothing_to_tell(redis_server: RedisServer) -> None:
    with TaskQueue(redis_server.url) as queue:
        assert queue.scaling.decisions() == {}
        note(redis_server, "web-1")
        assert queue.scaling.get_scaling_recommendations() == ""


def test_garbage_is_left_out(redis_server: RedisServer) -> None:
    note(redis_server, "web-1", b"\xff", b"[1]", {"to": 2, "sentence": "two"})
    with TaskQueue(redis_server.url) as queue:
        assert queue.scaling.decisions() == {"web-1": [{"to": 2, "sentence": "two"}]}


@pytest.mark.parametrize("count", [0, 1001, True])
def test_so_many_decisions_are_not_to_be_had(redis_server: RedisServer, count: int) -> None:
    with TaskQueue(redis_server.url) as queue, pytest.raises(ValueError, match="it is 1 to 1000"):
        queue.scaling.decisions(count)
