"""Where every task of a shard is, read from Redis itself: each must be in exactly one place."""

from __future__ import annotations

from collections import Counter

import redis

from tqd.store.keys import Keys

# One script, so that the picture is of one moment although workers go on.
_PICTURE = """
local readers = {
  ready = {'list', 'LRANGE', 0, -1}, parked = {'list', 'LRANGE', 0, -1},
  suspect = {'list', 'LRANGE', 0, -1}, held = {'list', 'LRANGE', 0, -1},
  heldkeys = {'zset', 'ZRANGE', 0, -1}, holding = {'hash', 'HGETALL'},
  due = {'zset', 'ZRANGE', 0, -1}, dead = {'zset', 'ZRANGE', 0, -1},
  claims = {'hash', 'HKEYS'}, task = {'hash', 'HKEYS'}, failure = {'hash', 'HKEYS'},
  keyed = {'hash', 'HKEYS'}, cancels = {'hash', 'HKEYS'}, unique = {'hash', 'HVALS'},
}
local picture = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if string.sub(key, 1, #ARGV[1]) == ARGV[1] then
    local place = string.sub(key, #ARGV[1] + 1)
    local reader = readers[string.match(place, '^[^:]*')]
    if reader and redis.call('TYPE', key).ok == reader[1] then
      picture[#picture + 1] = {place, redis.call(reader[2], key, unpack(reader, 3))}
    end
  end
end
return picture
"""


def places(client: redis.Redis, keys: Keys) -> dict[bytes, str]:
    """Return id → place, such as `ready:default`.

    AssertionError when an id is in two places, or in one without its payload, or a payload is in none; and
    when a unique key or the mark of a cancelled task is kept for a task that is not there; and when the lines
    in which the limits of keys hold tasks back are not known or not counted rightly.
    Queues whose keys are of another kind (somebody's garbage) are not looked at.
    """
    found: dict[bytes, list[str]] = {}
    payloads: set[bytes] = set()
    records: set[bytes] = set()
    known: set[str] = set()
    holding: dict[str, int] = {}
    beside: dict[str, list[bytes]] = {"unique": [], "keyed": [], "cancels": []}
    for raw, identities in client.eval(_PICTURE, 0, keys.prefix):  # type: ignore[misc]
        place = raw.decode()
        if place == "task":
            payloads = set(identities)
        elif place == "failure":
            records = set(identities)
        elif place == "holding":
            counts = zip(*[iter(identities)] * 2, strict=True)
            holding = {queue.decode(): int(count) for queue, count in counts}
        elif place.startswith("heldkeys:"):
            known |= {f"held:{place.partition(':')[2]}:{key.decode()}" for key in identities}
        elif place in beside:
            beside[place] = identities
        else:
            for identity in identities:
                found.setdefault(identity, []).append(place)
    assert {one: where for one, where in found.items() if len(where) != 1} == {}, "tasks in several places"
    tasks = {identity: where[0] for identity, where in found.items()}
    living = {identity for identity, place in tasks.items() if place != "dead"}
    assert living == payloads, "a place without a payload, or a payload without a place"
    assert set(tasks) - living == records, "a dead letter without its record"
    lines = [place for place in tasks.values() if place.startswith("held:")]
    assert known == set(lines), "a line that nobody looks at, or none where one is looked for"
    assert holding == Counter(place.split(":")[1] for place in lines), "a count that is not that of the lines"
    assert sorted(beside["unique"]) == sorted(beside["keyed"]), "a key is kept on one side only"
    assert {*beside["keyed"], *beside["cancels"]} <= payloads, (
        "something is kept for a task that is not there"
    )
    return tasks
