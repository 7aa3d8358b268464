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


def decide(server: RedisServer, name: str, decision: object) -> None:
    """Keep the very last decision of a daemon that lives."""
    server.client.zadd(KEYS.nodes, {f"{name}~host~run": 2e12})
    server.client.set(KEYS.current(name), decision if isinstance(decision, bytes) else json.dumps(decision))


def test_the_last_decisions_of_each_daemon_are_told(redis_server: RedisServer) -> None:
    note(redis_server, "web-1", {"to": 1, "sentence": "one"}, {"to": 2, "sentence": "two"})
    note(redis_server, "web-2", {"to": 3, "sentence": "three"})
    with TaskQueue(redis_server.url) as queue:
        assert queue.scaling.decisions(1) == {
            "web-1": [{"to": 2, "sentence": "two"}], "web-2": [{"to": 3, "sentence": "three"}]
        }  # fmt: skip


def test_recommendations_are_the_very_last_decisions_with_their_times(redis_server: RedisServer) -> None:
    note(redis_server, "web-1", {"at": "2026-11-23T10:00:00.000Z", "sentence": "days old"})
    decide(redis_server, "web-1", {"at": "2026-11-25T10:00:00.000Z", "sentence": "held at 3: …"})
    decide(redis_server, "web-2", {"at": "2026-11-25T10:00:01.000Z", "sentence": "1 → 2 workers: …"})
    told = "web-1: 2026-11-25T10:00:00.000Z  held at 3: …\nweb-2: 2026-11-25T10:00:01.000Z  1 → 2 workers: …"
    with TaskQueue(redis_server.url) as queue:
        assert queue.scaling.get_scaling_recommendations() == told
        assert asyncio.run(queue.scaling.aget_scaling_recommendations()) == told


def test_who_has_decided_nothing_lately_recommends_nothing(redis_server: RedisServer) -> None:
    with TaskQueue(redis_server.url) as queue:
        assert queue.scaling.decisions() == {}
        assert queue.scaling.get_scaling_recommendations() == ""
        note(redis_server, "web-1", {"sentence": "days old"})
        decide(redis_server, "web-2", b"garbage")
        assert queue.scaling.get_scaling_recommendations() == ""


def test_garbage_is_left_out(redis_server: RedisServer) -> None:
    note(redis_server, "web-1", b"\xff", b"[1]", {"to": 2, "sentence": "two"})
    with TaskQueue(redis_server.url) as queue:
        assert queue.scaling.decisions() == {"web-1": [{"to": 2, "sentence": "two"}]}


@pytest.mark.parametrize("count", [0, 1001, True])
def test_so_many_decisions_are_not_to_be_had(redis_server: RedisServer, count: int) -> None:
    with TaskQueue(redis_server.url) as queue, pytest.raises(ValueError, match="it is 1 to 1000"):
        queue.scaling.decisions(count)
