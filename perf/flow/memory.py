"""What a queued task takes of Redis's memory: 100,000 no-ops with an envelope of 65 bytes each."""

from __future__ import annotations

from perf.backlog import noop_envelope, stage
from perf.figure import Figure, figure
from perf.harness import NAMESPACE, Plan, private_redis
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd.clock import wall_ms
from tqd.store.keys import Keys

COUNT = 100_000


def run(plan: Plan) -> list[Figure]:
    """Measure redis_memory; the amount is the same in every plan, as hash tables grow in steps."""
    keys = Keys(NAMESPACE)
    with private_redis() as server:
        stage(server, keys, 1)  # the scripts are loaded
        before = _used_bytes(server)
        stage(server, keys, COUNT)
        after = _used_bytes(server)
    envelope = float(len(noop_envelope(0, wall_ms())))
    return [figure("redis_memory", [(after - before) / COUNT], envelope_bytes=envelope)]


def _used_bytes(server: RedisServer) -> int:
    # The producer's buffers are not the tasks': wait until its connection is gone.
    until(lambda: len(server.client.client_list()) == 1, "only this connection is left")
    return int(server.client.info("memory")["used_memory"])
