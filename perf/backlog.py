"""A backlog made beforehand and let loose at once, and the curve of its drain.

Tasks are stored in a queue that nobody serves; then the list is renamed into the served one and the bell
is rung. The workers are warm and idle until that moment, and no producer runs beside them. Progress is
read from the length of the task hash, which does not disturb: a command every few ms.
"""

from __future__ import annotations

import time

from perf.figure import Curve
from perf.tasks import arguments, nap, noop
from tests.support.redis_server import RedisServer
from tqd.clock import wall_ms
from tqd.store.calls import MAX_BATCH, NewTask
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys
from tqd.store.producer import Producer
from tqd.system.loop import run
from tqd.task.identity import task_id
from tqd.task.model import queues
from tqd.wire.envelope import encode_envelope

STAGE = "stage"
STEP_S = 0.005
STALL_S = 10.0


def noop_envelope(number: int, now_ms: int) -> bytes:
    """Return the bytes of the n-th no-op task, the same that `noop.aenqueue` would store."""
    return encode_envelope(noop.name, list(arguments(number)), {}, queues.DEFAULT, now_ms)


def nap_envelope(seconds: float, now_ms: int) -> bytes:
    """Return the bytes of a sleeping task."""
    return encode_envelope(nap.name, [seconds], {}, queues.DEFAULT, now_ms)


def stage(server: RedisServer, keys: Keys, count: int, nap_s: float = 0.0) -> None:
    """Store `count` tasks, no-ops or sleepers, where nobody serves them."""
    run(_stage(server, keys, count, nap_s))


async def _stage(server: RedisServer, keys: Keys, count: int, nap_s: float) -> None:
    producer = Producer(Endpoint(server.url), keys)
    now_ms = wall_ms()
    for first in range(0, count, MAX_BATCH):
        batch = range(first, min(count, first + MAX_BATCH))
        tasks = [NewTask(_identity(i, now_ms), STAGE, _bytes(i, now_ms, nap_s)) for i in batch]
        refused = await producer.store(tasks)
        assert not refused, refused
    await producer.close()


def _identity(number: int, now_ms: int) -> bytes:
    return task_id(now_ms, 0, number.to_bytes(8, "big"))


def _bytes(number: int, now_ms: int, nap_s: float) -> bytes:
    return nap_envelope(nap_s, now_ms) if nap_s else noop_envelope(number, now_ms)


def drain(server: RedisServer, keys: Keys, until_left: int = 0, step_s: float = STEP_S) -> Curve:
    """Let the staged tasks loose and return the curve until at most `until_left` are left.

    RuntimeError when nothing at all is done for 10 s.
    """
    client = server.client
    curve = [(time.monotonic(), int(client.hlen(keys.task)))]
    release = client.pipeline(transaction=True)
    release.rename(keys.ready(STAGE), keys.ready(queues.DEFAULT))
    release.delete(keys.bell(STAGE))
    release.rpush(keys.bell(queues.DEFAULT), 1)
    release.execute()
    moved = time.monotonic()
    while curve[-1][1] > until_left:
        time.sleep(step_s)
        now, left = time.monotonic(), int(client.hlen(keys.task))
        moved = now if left < curve[-1][1] else moved
        if now - moved > STALL_S:
            raise RuntimeError(f"the drain stands still with {left:,} tasks left")
        curve.append((now, left))
    return curve
