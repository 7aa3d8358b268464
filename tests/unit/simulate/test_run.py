"""Whole runs: what a policy is shown, what it costs, and what is counted of it."""

from __future__ import annotations

import pytest

from tests.unit.simulate.builders import Script, run, task
from tqd.scale.sample import Runs
from tqd.scale.settings import Mode, ScaleSettings
from tqd.simulate.changes import KEPT, Change, Changes
from tqd.simulate.own import Own
from tqd.simulate.run import Constant, simulate
from tqd.simulate.series import Series, Span
from tqd.simulate.shape import Memory, Outage, Shape


def test_a_policy_is_shown_what_a_daemon_would_measure() -> None:
    script = Script(2)
    tasks = [task(0, 4), task(0, 4, "low", "slow"), task(1, 20), task(1, 20), task(6, 0)]
    memory = Memory(worker_bytes=100, task_bytes={"slow": 5}, limit_bytes=1000)
    shape = Shape(slots=1, queues=("default", "low"), memory=memory, boot_s=7.0)
    simulate(iter(tasks), shape, script, 2, {"low": 0.3})
    first, second = script.samples[:2]
    assert (first.workers, first.ready_workers, first.slots, first.nodes) == (2, 2, 1, 1)
    default, low = first.queues
    assert (default.ready, default.claimed, default.oldest_s, default.weight) == (0, 2, None, 1.0)
    assert (low.name, low.ready, low.claimed, low.weight) == ("low", 0, 0, 0.3)
    window = first.window
    assert (window.busy_slot_s, window.slot_s, window.arrivals_per_s) == (10, 10, 4 / 5)
    assert (window.finished, window.failed) == (2, 0)
    assert window.runs == {"work": Runs(1, 4), "slow": Runs(1, 4)}
    assert window.run_p95_s == pytest.approx(4, rel=0.15) and window.wait_p95_s == pytest.approx(3, rel=0.15)
    assert (first.pss_bytes, first.headroom_bytes) == ((100, 100), 800)
    assert (second.window.finished, second.window.run_p95_s, second.window.runs) == (0, None, {})
    assert second.queues[0].oldest_s == 4 and second.since_start_s == 10


def test_failed_attempts_and_their_retries_are_in_the_sample() -> None:
    script = Script(1)
    outage = Outage(start_s=0, end_s=2)
    simulate(iter([task(0, 1), task(20, 0, "low")]), Shape(outages=(outage,), retry_delay_s=8), script, 1, {})
    assert (script.samples[0].window.finished, script.samples[0].window.failed) == (1, 1)
    assert script.samples[0].queues[1].scheduled == 1
    assert sum((one.window.arrivals_per_s or 0) * 5 for one in script.samples[:3]) == 2


def test_workers_cost_from_their_start_to_their_end() -> None:
    # 1 worker for 20 s; one more from 5 to 10, which starts for 2 s of it.
    outcome = run([task(0, 1), task(18, 1)], 2, 1, boot_s=2.0)
    assert (outcome.seconds, outcome.worker_s, outcome.most_workers) == (20, 25, 2)
    assert (outcome.changes.ups, outcome.changes.downs, outcome.asked) == (1, 1, 4)
    assert [one.why for one in outcome.changes.last] == ["as told at 5", "as told at 10"]


def test_a_run_lasts_until_the_last_task_has_ended() -> None:
    outcome = run([task(0, 33)], 1)
    assert (outcome.seconds, outcome.tasks.done) == (35, 1)


def test_a_run_whose_tasks_never_end_is_given_up_a_day_later() -> None:
    outcome = run([task(0, 1)], 0, workers=0)
    assert (outcome.tasks.waiting, outcome.late) == (1, 1)
    assert 86_400 < outcome.seconds <= 86_410
    assert outcome.miss_s == outcome.seconds - 10


def test_the_same_run_gives_the_same_outcome() -> None:
    tasks = [task(n / 7, n % 5) for n in range(500)]
    outage = Outage(start_s=10, end_s=40)
    one, two = (run(tasks, 1, 3, 2, 4, outages=(outage,)) for _ in range(2))
    assert (one.worker_s, one.miss_s, one.waits.counts) == (two.worker_s, two.miss_s, two.waits.counts)


def test_a_constant_policy_changes_nothing() -> None:
    outcome = simulate(iter([task(0, 1)]), Shape(), Constant(3), 3, {})
    assert (outcome.changes.ups, outcome.changes.downs, outcome.worker_s) == (0, 0, 15)


def test_the_autoscaler_itself_meets_a_load_that_one_worker_cannot() -> None:
    tasks = [task(n / 5, 2.0) for n in range(5 * 600)]
    own = Own(ScaleSettings(mode=Mode.OFF, scale_up_cooldown_seconds=10))
    outcome = simulate(iter(tasks), Shape(slots=2), own, 1, {})
    assert outcome.tasks.done == len(tasks)
    assert outcome.changes.last[-1].after * 2 >= 10, "ten slots are busy all the time"
    assert all("workers" in one.why for one in outcome.changes.last)


def test_without_workers_it_looks_as_often_as_the_daemon() -> None:
    tasks = [task(at_s, 0.1) for at_s in (0.0, 1000.2, 2000.4)]
    own = Own(ScaleSettings(min_workers=0, interval=60, scale_down_cooldown_seconds=0), 0)
    outcome = simulate(iter(tasks), Shape(slots=2, boot_s=0.3), own, 0, {})
    longest_s = outcome.waits.quantile_s(1.0)
    assert outcome.tasks.done == 3 and longest_s is not None and longest_s < 1.0
    assert outcome.changes.downs >= 2, "each time they leave again"


def test_looks_at_which_nothing_can_have_happened_are_left_out() -> None:
    own = Own(ScaleSettings(min_workers=0), 0)
    outcome = simulate(iter([task(86_000, 1)]), Shape(), own, 0, {})
    assert outcome.asked < 20_000


# -- flaps ----------------------------------------------------------------------------------------


def changes(*moves: tuple[float, int]) -> Changes:
    found, before = Changes(), 1
    for at_s, after in moves:
        found.add(Change(at_s, before, after, ""))
        before = after
    return found


def test_a_flap_is_a_change_that_is_taken_back_in_less_than_five_minutes() -> None:
    assert changes((0, 2), (299, 1)).flaps == 1
    assert changes((0, 2), (300, 1)).flaps == 0
    assert changes((0, 2), (10, 4), (20, 6)).flaps == 0
    assert changes((0, 4), (400, 2), (410, 3), (420, 1)).flaps == 2


def test_the_worst_hour_is_the_one_with_the_most_flaps() -> None:
    found = changes((0, 2), (60, 1), (3700, 2), (3710, 1), (3720, 2), (9000, 1), (9001, 2))
    assert (found.flaps, found.worst_hour, found.ups, found.downs) == (4, 2, 4, 3)


def test_of_many_changes_the_last_are_kept() -> None:
    found = changes(*((float(n), n % 2) for n in range(KEPT + 500)))
    assert len(found.last) == KEPT and found.ups + found.downs == KEPT + 500


# -- over time ------------------------------------------------------------------------------------


def test_a_series_keeps_a_bounded_number_of_spans_of_equal_length() -> None:
    series = Series(most=8)
    for n in range(100):
        series.add(Span(start_s=n, end_s=n + 1, workers=n, waiting=1, oldest_s=float(n % 10),
                        busy_slot_s=0.5, slot_s=1.0))  # fmt: skip
    assert len(series.spans) <= 8
    assert {span.end_s - span.start_s for span in series.spans[:-1]} == {16}
    assert series.spans[-1].end_s == 100 and series.spans[-1].workers == 99
    assert sum(span.busy_slot_s for span in series.spans) == 50
    assert all(span.utilization == 0.5 for span in series.spans)
