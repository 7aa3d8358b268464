"""Auto-scaling of real daemons: bursts, failures, memory, none at all, several hosts, restarts."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon
from tests.support.memory_group import memory_group
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue

WORK = """
@tq.task(name="nap")
async def nap(seconds: float):
    await asyncio.sleep(seconds)
    write("napped")

@tq.task(name="breaks", max_retries=0)
async def breaks(seconds: float):
    await asyncio.sleep(seconds)
    raise ValueError("the dependency is down")

@tq.task(name="hungry", max_retries=0)
async def hungry(megabytes: int, seconds: float):
    kept = b"x" * (megabytes << 20)
    hungry.kept = getattr(hungry, "kept", kept)
    await asyncio.sleep(seconds)
    write("fed")
"""
QUICK = {
    "TQD_AUTOSCALER__ENABLED": "true",
    "TQD_AUTOSCALER__INTERVAL": "1",
    "TQD_AUTOSCALER__MAX_WORKERS": "4",
    "TQD_AUTOSCALER__SCALE_UP_COOLDOWN_SECONDS": "1",
    "TQD_AUTOSCALER__SCALE_DOWN_COOLDOWN_SECONDS": "1",
}


def scaled(make: Start, **settings: str) -> Daemon:
    """Return a daemon that is not started yet and decides each second."""
    more = {f"TQD_AUTOSCALER__{name.upper()}": value for name, value in settings.items()}
    return make(APP + WORK, **(QUICK | more))


def target(daemon: Daemon) -> int:
    return int(daemon.status()["target"])


def last(daemon: Daemon) -> dict[str, Any]:
    decision = daemon.status()["autoscaler"]["decision"]
    return dict(decision) if decision else {}


def decisions(daemon: Daemon) -> list[dict[str, Any]]:
    return list(daemon.ask(verb="why", count=1000)["decisions"])


def changes(daemon: Daemon) -> list[tuple[int, int]]:
    return [(one["from"], one["to"]) for one in decisions(daemon) if one["from"] != one["to"]]


def test_a_burst_brings_workers_and_its_end_takes_them_away_again(make: Start, producer: TaskQueue) -> None:
    daemon = scaled(make).start("-w", "1", "-C", "4")
    producer.enqueue_many([producer.named("nap").call(0.5) for _ in range(300)])
    until(lambda: target(daemon) == 4, "the burst is met", 30)
    until(lambda: daemon.lines().count("napped") == 300, "all tasks are done", 60)
    until(lambda: target(daemon) == 1, "the workers leave again", 60)
    until(lambda: len(daemon.workers()) == 1, "they are gone", 20)
    assert all(abs(after - before) <= 2 for before, after in changes(daemon))
    totals = daemon.status()["totals"]
    assert (totals["done"], totals["retried"], totals["reclaimed"]) == (300, 0, 0)
    shown = daemon.verb("why", "-n", "50").stdout
    assert "1 → 3 workers: " in shown and "at most 2 per step" in shown
    assert "scaling_decision" in daemon.output()


def test_failing_tasks_never_bring_workers(make: Start, producer: TaskQueue) -> None:
    daemon = scaled(make).start("-w", "1", "-C", "4")
    producer.enqueue_many([producer.named("breaks").call(0.2) for _ in range(300)])
    until(lambda: "more workers would only fail faster" in json.dumps(decisions(daemon)), "it is refused", 30)
    until(lambda: daemon.status()["totals"]["failed"] == 300, "all have failed", 60)
    assert changes(daemon) == []


def test_from_no_worker_at_all_a_task_is_run(make: Start, producer: TaskQueue) -> None:
    daemon = scaled(make, min_workers="0").start("-w", "0")
    until(lambda: last(daemon).get("from") == 0, "it has decided", 20)
    producer.enqueue("note", "first")
    daemon.wrote("first")
    assert changes(daemon)[0][0] == 0


def test_from_no_worker_at_all_a_task_that_comes_due_is_run(make: Start, producer: TaskQueue) -> None:
    """Only claims move it over, and nobody claims."""
    daemon = scaled(make, min_workers="0").start("-w", "0")
    until(lambda: last(daemon).get("from") == 0, "it has decided", 20)
    producer.named("note").using(delay=2.0).enqueue("later")
    assert daemon.status()["target"] == 0
    daemon.wrote("later")


def test_advice_changes_nothing(make: Start, producer: TaskQueue) -> None:
    daemon = scaled(make, mode="advise").start("-w", "1", "-C", "4")
    producer.enqueue_many([producer.named("nap").call(0.5) for _ in range(60)])
    until(
        lambda: "advice only: 1 → 3 workers" in json.dumps(decisions(daemon), ensure_ascii=False),
        "advice",
        30,
    )
    assert target(daemon) == 1


def test_an_order_and_what_was_learned_outlive_the_daemon(make: Start) -> None:
    first = scaled(make).start("-w", "1")
    until(lambda: last(first), "it has decided", 20)
    assert "for 10 minutes" in first.verb("scale", "3").stdout
    assert "frozen" in first.verb("thresholds", "freeze").stdout
    until(lambda: last(first).get("from") == 3, "it has decided anew", 20)
    assert first.stop().returncode == 0
    first.start("-w", "1")
    until(lambda: target(first) == 3, "the order holds", 20)
    assert first.status()["autoscaler"]["ordered_workers"] == 3
    assert json.loads(first.verb("thresholds", "show", "--json").stdout)["frozen"] is True
    assert len(decisions(first)) > 1


def test_in_a_steady_state_the_api_has_the_decision_of_now_and_none_once_it_is_off(
    make: Start, producer: TaskQueue
) -> None:
    daemon = scaled(make).start("-w", "1")
    until(lambda: last(daemon), "it has decided", 20)
    first = producer.scaling.get_scaling_recommendations()
    until(lambda: producer.scaling.get_scaling_recommendations() > first, "it says the same of later", 20)
    told = producer.scaling.get_scaling_recommendations()
    assert last(daemon)["sentence"].split(":")[0] in told
    assert daemon.stop().returncode == 0
    assert producer.scaling.get_scaling_recommendations() == ""
    daemon.environ["TQD_AUTOSCALER__ENABLED"] = "false"
    daemon.start("-w", "1")
    until(lambda: producer.scaling.get_scaling_recommendations() == "", "nothing is recommended", 2)


def test_three_daemons_share_a_step(make: Start, producer: TaskQueue, redis_server: RedisServer) -> None:
    daemons = [scaled(make, max_workers="10").start("-w", "1", "-C", "4") for _ in range(3)]
    # 12 slots, of which each nap takes one for a second: 80 are far more than three workers have in hand.
    until(lambda: all(last(one).get("nodes") == 3 for one in daemons), "they see each other", 30)
    producer.enqueue_many([producer.named("nap").call(1.0) for _ in range(80)])
    until(lambda: sum(map(target, daemons)) > 3, "the burst is met", 30)
    first = [next((after - before for before, after in changes(one)), 0) for one in daemons]
    assert sum(first) <= 4, first
    until(lambda: sum(one.lines().count("napped") for one in daemons) == 80, "all are done", 60)
    for one in daemons:
        assert all(abs(after - before) <= 2 for before, after in changes(one))


def test_hungry_tasks_in_a_small_group_get_no_worker_that_would_not_fit(
    make: Start, producer: TaskQueue
) -> None:
    with memory_group(300 << 20) as group:
        daemon = scaled(make, max_workers="20", scale_up_count="4")
        daemon.prefix = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"]
        daemon.start("-w", "1", "-C", "1")
        producer.enqueue_many([producer.named("hungry").call(40, 0.3) for _ in range(60)])
        until(
            lambda: "memory" in json.dumps([one["vetoes"] for one in decisions(daemon)]), "it is refused", 60
        )
        until(lambda: daemon.lines().count("fed") == 60, "all are fed", 90)
        kills = (group / "memory.oom_control").read_text()
        assert "oom_kill 0" in kills, kills
        assert daemon.status()["totals"]["reclaimed"] == 0
