"""The bare way of one task through an idle system: what of a latency is not the framework's.

A worker in a process of its own waits at the bells, claims, and stamps; a client stores one task with
one call. The same scripts and connections as the daemon's, no envelope, no handler, no deadline.
`python -m perf.bare_idle URL` is that worker; it writes `claimed_ns asked_ns` lines to its output.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator

from tests.support.redis_server import RedisServer
from tqd.store.calls import Claimant, Claimed, NewTask, store_new
from tqd.store.connection import Endpoint, Link
from tqd.store.keys import Keys
from tqd.system.loop import run
from tqd.task.model import DEFAULT_QUEUES

KEYS = Keys("bare-idle")
NODE, WORKER, QUEUE = "bare", "bare", "default"
BELL_S = 5.0


def bare_idle_ms(server: RedisServer, moments: AsyncIterator[int]) -> list[float]:
    """Return ms from the call that stores a task to its claim in hand, one for each moment."""
    command = [sys.executable, "-m", "perf.bare_idle", server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        try:
            worker.stdout.readline()  # it is ready
            count = run(_enqueue(server.url, moments))
            lines = [worker.stdout.readline().split() for _ in range(count)]
        finally:
            worker.terminate()
    return [(int(claimed) - int(asked)) / 1e6 for claimed, asked in lines]


async def _enqueue(url: str, moments: AsyncIterator[int]) -> int:
    link, count = Link(Endpoint(url)), 0
    await link.exchange([])
    async for _ in moments:
        count += 1
        task = NewTask(b"%d" % time.monotonic_ns(), QUEUE, b"bare")
        await link.exchange([store_new(KEYS, "bare", count, [task])])
    await link.close()
    return count


async def _work(url: str) -> None:
    work, bell = Link(Endpoint(url)), Link(Endpoint(url), 2 * BELL_S)
    await work.call(("SADD", KEYS.workers(NODE), WORKER))
    claimant, caps = Claimant(KEYS, NODE, WORKER), [(queue, 1) for queue in DEFAULT_QUEUES]
    print("ready", flush=True)
    while True:
        await bell.call(("BLPOP", *map(KEYS.bell, DEFAULT_QUEUES), BELL_S))
        reply = await work.call(claimant.claim(work.clock.now_ms(), 1, caps))
        claimed_ns = time.monotonic_ns()
        for claim in Claimed(reply).claims:
            print(claimed_ns, claim.task_id.decode(), flush=True)


if __name__ == "__main__":
    run(_work(sys.argv[1]))
