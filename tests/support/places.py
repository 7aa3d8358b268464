"""Where every task of a shard is, read from Redis itself: each must be in exactly one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

from tqd.store.keys import Keys

_READERS: dict[str, Callable[[redis.Redis, str], Any]] = {
    "ready": lambda client, key: client.lrange(key, 0, -1),
    "due": lambda client, key: client.zrange(key, 0, -1),
    "claims": lambda client, key: client.hkeys(key),
    "parked": lambda client, key: client.lrange(key, 0, -1),
    "dead": lambda client, key: client.zrange(key, 0, -1),
}


def places(client: redis.Redis, keys: Keys) -> dict[bytes, str]:
    """Return id → place, such as `ready:default`.

    AssertionError when an id is in two places, or in one without its payload, or a payload is in none.
    Queues whose keys are of another kind (somebody's garbage) are not looked at.
    """
    found: dict[bytes, list[str]] = {}
    for place, reader, key in _stores(client, keys):
        try:
            identities = reader(client, key)
        except redis.ResponseError:
            continue
        for identity in identities:
            found.setdefault(identity, []).append(place)
    assert {one: where for one, where in found.items() if len(where) != 1} == {}, "tasks in several places"
    tasks = {identity: where[0] for identity, where in found.items()}
    living = {identity for identity, place in tasks.items() if place != "dead"}
    assert living == set(client.hkeys(keys.task)), "a place without a payload, or a payload without a place"
    assert set(tasks) - living == set(client.hkeys(keys.failure)), "a dead letter without its record"
    return tasks


def _stores(client: redis.Redis, keys: Keys) -> list[tuple[str, Callable[[redis.Redis, str], Any], str]]:
    stores = []
    for raw in sorted(client.scan_iter(match=_literal(keys.prefix) + "*", count=1000)):
        key = raw.decode()
        place = key.removeprefix(keys.prefix)
        reader = _READERS.get(place.partition(":")[0])
        if reader is not None:
            stores.append((place, reader, key))
    return stores


def _literal(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?[]^-\\" else letter for letter in text)
