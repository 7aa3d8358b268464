"""A task that blocks its worker's loop for ever: until its neighbours have begun again elsewhere.

The setting hung_after is 2 s here; the bound is hung_after + 8 s: the time to write the stacks, to abort
the process and to kill it, each with a deadline of its own.
"""

from __future__ import annotations

from perf.figure import Figure, greatest
from perf.fleet.account import NS, begun, begun_elsewhere, held
from perf.fleet.journal import Journal
from perf.harness import Daemon, Plan, point_client_at, private_redis
from perf.tasks import BEGAN, block, told, tq
from tests.support.redis_server import RedisServer

WORKERS = 2
HUNG_AFTER_S = 2
TASKS = 150
NAP_S = 60.0
DEADLINE_S = 40.0
SETTINGS = {
    "TQD_WORKERS__HUNG_AFTER": str(HUNG_AFTER_S),
    "TQD_WORKERS__SHUTDOWN_GRACE_PERIOD": "0",
}


def run(plan: Plan) -> list[Figure]:
    """Measure blocked_loop."""
    with private_redis() as server:
        point_client_at(server)
        rounds = [_block(server) for _ in range(plan.pick(5, 1))]
    named = sum(told_of for _, told_of in rounds) / len(rounds)
    times_s = [time_s for time_s, _ in rounds]
    return [greatest("blocked_loop", times_s, hung_after_s=HUNG_AFTER_S, named_in_log=named)]


def _block(server: RedisServer) -> tuple[float, bool]:
    """Block a worker; returns after how many s its other tasks had begun again, and if the log names it."""
    server.client.flushall()
    with (
        Journal() as journal,
        Daemon(server, workers=WORKERS, environ=journal.environ | SETTINGS) as daemon,
    ):
        tasks = set(range(TASKS))
        tq.enqueue_many([told.call(number, NAP_S) for number in tasks])
        journal.until(lambda entries: begun(entries) == tasks, "all tasks have begun", DEADLINE_S)
        block.enqueue(TASKS)
        tq.close()
        journal.until(lambda entries: TASKS in begun(entries), "the blocking task has begun", DEADLINE_S)
        (blocker,) = (e for e in journal.entries if e.number == TASKS and e.word == BEGAN)
        in_hand = held(journal.entries, blocker.pid) - {TASKS}
        journal.until(
            lambda entries: in_hand <= begun_elsewhere(entries, in_hand, blocker.pid).keys(),
            "the blocked worker's tasks have begun again", DEADLINE_S,
        )  # fmt: skip
        again_ns = begun_elsewhere(journal.entries, in_hand, blocker.pid).values()
        return (max(again_ns) - blocker.at_ns) * NS, block.name in daemon.log
