"""What the master makes of its workers' ledgers and beats: totals, windows, and what a decision needs."""

from __future__ import annotations

import json
import mmap
import os

import pytest

from tests.unit.master.builders import beat
from tqd.master import performance
from tqd.master.crew import Depths, Member, Totals
from tqd.master.telemetry import MOST_KEYS, MOST_QUEUES, Telemetry
from tqd.metrics.ledger import ASKED, FAILED, LEDGER_BYTES, OTHER, RETRIED, TIMED_OUT, Ledger
from tqd.system.fork import Child
from tqd.wire.messages import Sampled


class Scene:
    """Telemetry, and workers by name with a ledger each."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.depths = Depths(("default", "mail"))
        self.telemetry = Telemetry(self.totals, 100.0)

    def worker(self, name: str = "worker-1") -> tuple[Member, Ledger]:
        memory = mmap.mmap(-1, LEDGER_BYTES)
        return Member(name, Child(os.getpid(), -1, -1, -1, -1, memory), name, 100.0), Ledger(memory)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_all_workers_have_done_is_told_in_all_by_name_and_by_queue(scene: Scene) -> None:
    for worker in range(3):
        member, ledger = scene.worker(f"worker-{worker}")
        for _ in range(2):
            ledger.page("mail", "high").done(0.1)
            ledger.page("mail", "low").add(FAILED)
            ledger.page("bill", "low").done(0.1)
            scene.telemetry.pull(member)
    assert (scene.totals.done, scene.totals.failed) == (12, 6)
    assert {name: (one.done, one.failed) for name, one in scene.telemetry.by_name().items()} == {
        "mail": (6, 6), "bill": (6, 0),
    }  # fmt: skip
    assert {name: (one.done, one.failed) for name, one in scene.telemetry.by_queue().items()} == {
        "high": (6, 0), "low": (6, 6),
    }  # fmt: skip


def test_a_worker_that_is_gone_is_counted_once_and_its_successor_anew(scene: Scene) -> None:
    for _ in range(100):
        member, ledger = scene.worker()
        for _ in range(7):
            ledger.page("mail", "high").done(0.1)
        scene.telemetry.pull(member)
        scene.telemetry.pull(member)
    assert scene.totals.done == scene.telemetry.by_name()["mail"].done == 700


def test_settlements_that_came_too_late_are_totalled(scene: Scene) -> None:
    member, ledger = scene.worker()
    ledger.superseded(2)
    scene.telemetry.pull(member)
    assert scene.totals.superseded == 2


def test_names_are_bounded_and_queues_stay_exact(scene: Scene) -> None:
    for worker in range(6):
        member, ledger = scene.worker(f"worker-{worker}")
        for n in range(300):
            ledger.page(f"name-{worker}-{n}", "high" if n % 2 else "low").done(0.1)
        scene.telemetry.pull(member)
    assert len(scene.telemetry.by_name()) <= MOST_KEYS + 1
    assert scene.telemetry.by_name()[OTHER].done == 1800 - MOST_KEYS
    assert {queue: one.done for queue, one in scene.telemetry.by_queue().items()} == {"high": 900, "low": 900}


def test_queues_are_bounded_too(scene: Scene) -> None:
    member, ledger = scene.worker()
    for n in range(300):
        ledger.page("mail", f"queue-{n}").done(0.1)
    scene.telemetry.pull(member)
    queues = scene.telemetry.by_queue()
    assert len(queues) <= MOST_QUEUES + 1
    assert sum(one.done for one in queues.values()) == 300


def test_a_take_has_what_a_decision_needs(scene: Scene) -> None:
    member, ledger = scene.worker()
    page = ledger.page("mail", "high")
    for _ in range(8):
        page.done(0.5)
    page.ran(1.0)
    for counter in (RETRIED, TIMED_OUT):
        page.add(counter)
    for counter in (RETRIED, ASKED):
        ledger.page("asks", "high").add(counter)
    page.waited(200)
    scene.telemetry.pull(member)
    member.beat, member.beat_at = beat(busy_slot_s=3.0, slot_s=8.0), 103.0
    scene.telemetry.on_beat(None, member.beat)
    for at, counts in ((96.0, (5, 0)), (101.0, (15, 10))):
        scene.depths.take(Sampled([[0, 0, 0, -1, 0, count] for count in counts], 0, at=at), at + 0.5)
    recent = scene.telemetry.take([member], scene.depths, 105.0)
    assert (recent.span_s, recent.busy_slot_s, recent.slot_s, recent.beats_age_s) == (5.0, 3.0, 8.0, 2.0)
    assert (recent.finished, recent.failed) == (10, 1)
    assert recent.queues_age_s == 3.5
    assert recent.runs == {"mail": (9, 5.0)}
    wait_p95_s = recent.waits["high"].quantile_s(0.95)
    assert wait_p95_s is not None and 0.15 < wait_p95_s < 0.25
    assert recent.run_p95_s is not None and 0.4 < recent.run_p95_s < 1.2


def test_what_is_not_known_is_none_for_a_decision(scene: Scene) -> None:
    recent = scene.telemetry.take([scene.worker()[0]], scene.depths, 105.0)
    assert (recent.waits, recent.run_p95_s, recent.beats_age_s, recent.runs) == ({}, None, None, {})
    assert recent.queues_age_s is None
    assert (recent.finished, recent.failed, recent.slot_s) == (0, 0, 0.0)


def test_slot_seconds_are_those_between_two_beats(scene: Scene) -> None:
    first, second = beat(busy_slot_s=3.0, slot_s=8.0), beat(busy_slot_s=4.5, slot_s=12.0)
    scene.telemetry.on_beat(None, first)
    scene.telemetry.on_beat(first, second)
    scene.telemetry.on_beat(second, second)
    taken = scene.telemetry.take([], scene.depths, 105.0)
    assert (taken.busy_slot_s, taken.slot_s) == (4.5, 12.0)


def test_of_a_worker_that_leaves_only_the_slots_at_work_count(scene: Scene) -> None:
    first, second = beat(busy_slot_s=3.0, slot_s=8.0), beat(busy_slot_s=4.5, slot_s=12.0)
    scene.telemetry.on_beat(None, first)
    scene.telemetry.on_beat(first, second, leaving=True)
    taken = scene.telemetry.take([], scene.depths, 105.0)
    assert (taken.busy_slot_s, taken.slot_s) == (4.5, 9.5)


def test_one_silent_worker_among_others_does_not_make_their_words_old(scene: Scene) -> None:
    members = [scene.worker(f"worker-{number}")[0] for number in range(4)]
    for member, at in zip(members, (80.0, 104.0, 104.5, 104.9), strict=True):
        member.beat, member.beat_at = beat(), at
    assert scene.telemetry.take(members, scene.depths, 105.0).beats_age_s == pytest.approx(0.5)
    assert scene.telemetry.take(members[:2], scene.depths, 105.0).beats_age_s == pytest.approx(1.0)
    assert scene.telemetry.take(members[:1], scene.depths, 105.0).beats_age_s == pytest.approx(25.0)


# -- as the status tells it -----------------------------------------------------------------------


def test_windows_are_told_with_figures_of_each_queue_and_name(scene: Scene) -> None:
    member, ledger = scene.worker()
    for _ in range(19):
        ledger.page("mail", "high").done(0.1)
    ledger.page("mail", "high").add(FAILED)
    ledger.page("mail", "high").waited(50)
    scene.telemetry.pull(member)
    scene.telemetry.on_beat(None, beat(busy_slot_s=2.0, slot_s=40.0))
    told = json.loads(json.dumps(performance.windows(scene.telemetry, 110.0)))
    assert set(told) == {"1m", "5m", "15m"}
    for window in told.values():
        assert (window["span_s"], window["worker_utilization"], window["rate_per_s"]) == (10.0, 0.05, 2.0)
        for figures in (window, window["queues"]["high"], window["tasks"]["mail"]):
            assert (figures["finished"], figures["failed"], figures["error_rate"]) == (20, 1, 0.05)
            assert 0.09 < figures["run_p50_s"] < 0.12 and 0.04 < figures["wait_p99_s"] < 0.06
    (row,) = performance.tasks(scene.telemetry)
    assert row == {
        "name": "mail", "done": 19, "failed": 1, "retried": 0, "timed_out": 0, "discarded": 0, "expired": 0,
        "released": 0, "run_s": 1.9,
    }  # fmt: skip


def test_a_window_in_which_nothing_happened_knows_no_shares(scene: Scene) -> None:
    told = performance.windows(scene.telemetry, 110.0)["1m"]
    assert told == {
        "span_s": 10.0, "worker_utilization": None, "rate_per_s": 0.0, "error_rate": None, "finished": 0,
        "failed": 0, "mean_run_s": None, "run_p50_s": None, "run_p95_s": None, "run_p99_s": None,
        "wait_p50_s": None, "wait_p95_s": None, "wait_p99_s": None, "queues": {}, "tasks": {},
    }  # fmt: skip
