"""How soon the autoscaler answers: ten times the load, and the first task when there is no worker at all.

Each round has a daemon of its own that decides once a second, and takes two decisions in a row for a change.
"""

from __future__ import annotations

import time

from perf.figure import Figure, figure, greatest
from perf.fleet.account import NS, begun
from perf.fleet.journal import Journal
from perf.harness import Daemon, Plan, point_client_at, private_redis
from perf.tasks import nap, told, tq
from tests.support.wait import until
from tqd.scale.autoscaler import step
from tqd.scale.sample import QueueReading, Runs, Sample, Window
from tqd.scale.settings import ScaleSettings
from tqd.scale.state import State

SETTINGS = {
    "TQD_AUTOSCALER__ENABLED": "true",
    "TQD_AUTOSCALER__INTERVAL": "1",
    "TQD_AUTOSCALER__CONSECUTIVE_SIGNALS_REQUIRED": "2",
    "TQD_AUTOSCALER__MAX_WORKERS": "4",
}
NAP_S = 1.0
LOW_PER_S, HIGH_PER_S = 50, 500
"""With a hundred slots the worker is half busy, and then there is work for five of them."""

BEAT_S = 0.05
CALM_S = 4.0
DEADLINE_S = 30.0


def run(plan: Plan) -> list[Figure]:
    """Measure scale_step, scale_zero and scale_decision."""
    rounds = plan.pick(6, 2)
    steps_s = [_step_s(CALM_S + number / rounds) for number in range(rounds)]
    zeros_s = [_zero_s() for _ in range(plan.pick(10, 3))]
    return [
        greatest("scale_step", steps_s),
        greatest("scale_zero", zeros_s),
        figure("scale_decision", [_decision_us(plan.pick(20_000, 2_000)) for _ in range(plan.repeats)]),
    ]


def _step_s(calm_s: float) -> float:
    """Return the s from the beginning of ten times the load to the second worker being ready.

    The load is calm for `calm_s` before, so that rounds begin at different moments of an interval.
    """
    with private_redis() as server, Daemon(server, environ=SETTINGS) as daemon:
        point_client_at(server)
        began = time.monotonic()
        while time.monotonic() - began < calm_s:
            _feed(LOW_PER_S)
        began = time.monotonic()
        while time.monotonic() - began < DEADLINE_S:
            _feed(HIGH_PER_S)
            ready = [worker for worker in daemon.status()["workers"] if worker["state"] == "ready"]
            if len(ready) > 1:
                break
        took_s = time.monotonic() - began
        tq.close()
    return took_s


def _feed(per_s: int) -> None:
    """Enqueue what comes in a twentieth of a second, and let that pass."""
    began = time.monotonic()
    tq.enqueue_many([nap.call(NAP_S) for _ in range(round(per_s * BEAT_S))])
    time.sleep(max(0.0, began + BEAT_S - time.monotonic()))


def _zero_s() -> float:
    """Return the s from an enqueue to the first line of its task, when there was no worker."""
    none = SETTINGS | {"TQD_AUTOSCALER__MIN_WORKERS": "0"}
    with (
        private_redis() as server, Journal() as journal,
        Daemon(server, workers=0, environ=none | dict(journal.environ)) as daemon,
    ):  # fmt: skip
        point_client_at(server)
        until(lambda: daemon.status()["autoscaler"]["decision"], "it has decided", DEADLINE_S)
        asked_ns = time.monotonic_ns()
        tq.enqueue_many([told.call(0, 0.0)])
        journal.until(lambda entries: begun(entries) == {0}, "it has begun", DEADLINE_S)
        began_ns = min(entry.at_ns for entry in journal.entries)
        tq.close()
    return (began_ns - asked_ns) * NS


def _decision_us(count: int) -> float:
    """Return the CPU time of one decision of a busy daemon with three queues and ten task names, in µs."""
    runs = {f"shop.tasks.name_{number}": Runs(10, 1.0) for number in range(10)}
    queues = tuple(
        QueueReading(name=name, weight=weight, ready=20, claimed=10, scheduled=5, oldest_s=1.0)
        for name, weight in (("high_priority", 3.0), ("default", 1.0), ("low_priority", 0.3))
    )
    window = Window(
        busy_slot_s=80.0, slot_s=100.0, arrivals_per_s=20.0, finished=100, failed=1, runs=runs,
        wait_p95_s=0.4, run_p95_s=0.3,
    )  # fmt: skip
    sample = Sample(
        workers=4, slots=10, ready_workers=4, nodes=1, rank=0, others=0, queues=queues,
        window=window, pss_bytes=(20_000_000,) * 4, headroom_bytes=4_000_000_000,
        limit_bytes=8_000_000_000, beats_age_s=0.5, queues_age_s=0.1, since_start_s=1000.0,
    )  # fmt: skip
    settings, state, now = ScaleSettings(), State(), 1000.0
    began_ns = time.process_time_ns()
    for _ in range(count):
        now += settings.interval
        state, _ = step(settings, state, sample, now)
    return (time.process_time_ns() - began_ns) / count / 1000
