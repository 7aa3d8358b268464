"""The simulated daemon, on traces whose answers are known."""

from __future__ import annotations

import pytest

from tests.unit.simulate.builders import NEVER_S, plant, task
from tqd.simulate.crew import Life
from tqd.simulate.shape import Memory, Outage


def test_a_free_slot_takes_a_task_at_once() -> None:
    one = plant(task(3, 2))
    one.advance(4)
    assert (one.tasks.running, one.tasks.waiting) == (1, 0)
    one.advance(5)
    assert one.resting and one.tasks.done == 1
    assert one.take().waits.counts == {0: 1}


def test_tasks_wait_for_the_slots_that_are_busy_in_the_order_in_which_they_came() -> None:
    one = plant(task(0, 10), task(1, 10), task(2, 1))
    one.advance(9)
    assert (one.tasks.running, one.tasks.waiting) == (1, 2)
    one.advance(20.5)
    assert one.tasks.done == 2
    one.advance(21)
    assert one.tasks.done == 3 and one.resting


def test_the_first_queue_gives_all_it_has_before_the_next_is_asked() -> None:
    one = plant(task(0, 1), task(0, 1, "low"), task(0.5, 1, "high"), queues=("high", "default", "low"))
    one.advance(1.5)
    assert [(name, queue.claimed) for name, queue in one.queues.items()] == [
        ("high", 1), ("default", 0), ("low", 0),
    ]  # fmt: skip


def test_a_queue_that_has_starved_is_served_once() -> None:
    busy = [task(0, 1, "high") for _ in range(20)]
    one = plant(*busy, task(0, 1, "low"), queues=("high", "low"), starvation_after_s=5.0)
    one.advance(4.5)
    assert one.queues["low"].claimed == 0
    one.advance(5.5)
    assert one.queues["low"].claimed == 1


def test_a_queue_that_only_the_trace_knows_comes_last() -> None:
    one = plant(task(0, 1), task(0, 1, "other"), task(0, 1))
    one.advance(1.5)
    assert one.queues["default"].claimed == 1 and list(one.queues)[-1] == "other"


def test_a_new_worker_takes_tasks_when_it_is_ready_and_not_before() -> None:
    one = plant(task(0, 10), task(0, 10), boot_s=0.5)
    one.scale(2)
    assert (one.crew.count(Life.READY), one.crew.count(Life.STARTING), one.crew.wanted) == (1, 1, 2)
    one.advance(0.4)
    assert one.tasks.waiting == 1
    one.advance(0.5)
    assert one.tasks.waiting == 0 and one.crew.count(Life.READY) == 2


def test_a_worker_that_is_to_go_finishes_its_tasks_and_takes_no_more() -> None:
    one = plant(task(0, 10), task(0, 4), task(5, 1), workers=2)
    one.advance(1)
    one.scale(0)
    assert (one.crew.wanted, one.crew.count(Life.DRAINING)) == (0, 2)
    one.advance(6)
    assert (one.crew.count(Life.DRAINING), one.tasks.waiting) == (1, 1)
    one.advance(100)
    assert (len(one.crew.workers), one.tasks.done, one.tasks.waiting) == (0, 2, 1)


def test_the_idlest_goes_first_and_of_those_that_start_the_newest() -> None:
    one = plant(task(0, 100), task(0, 100), task(0, 100), workers=2, slots=2)
    one.advance(1)
    one.scale(3)
    one.scale(1)
    (staying,) = [worker for worker in one.crew.workers if worker.life is Life.READY]
    assert staying.busy == 2 and one.crew.count(Life.STARTING) == 0
    one.advance(2)
    assert one.crew.wanted == 1, "the one that was starting never gets ready"


def test_slot_seconds_and_worker_seconds_add_up() -> None:
    one = plant(task(0, 6), task(0, 2), workers=2)
    one.advance(4)
    counts = one.take()
    assert (counts.busy_slot_s, counts.slot_s, one.crew.worker_s) == (4 + 2, 8, 8)
    one.scale(1)  # the idle one
    one.advance(10)
    counts = one.take()
    assert (counts.busy_slot_s, counts.slot_s, one.crew.worker_s) == (2, 6, 14)


def test_of_a_draining_worker_only_the_busy_slots_count() -> None:
    one = plant(task(0, 10), slots=4)
    one.advance(1)
    one.scale(0)
    one.take()
    one.advance(11)
    counts = one.take()
    assert (counts.busy_slot_s, counts.slot_s) == (9, 9)


def test_seconds_of_a_missed_goal_are_counted_once_whoever_waits() -> None:
    one = plant(task(0, 30), task(0, 1), task(5, 1), goal_s=10.0)
    one.advance(NEVER_S)
    # The one waits from 0 to 30, the other from 5 to 31: late from 10 to 31.
    assert (one.misses.total_s, one.misses.late) == (21, 2)


def test_a_task_that_waits_for_just_the_goal_is_not_late() -> None:
    one = plant(task(0, 10), task(0, 1), goal_s=10.0)
    one.advance(NEVER_S)
    assert (one.misses.total_s, one.misses.late) == (0, 0)


def test_what_still_waits_at_the_end_is_late_as_far_as_it_is() -> None:
    one = plant(task(0, 1), task(50, 1), workers=0, goal_s=10.0)
    one.advance(100)
    one.count_waiting()
    assert (one.misses.total_s, one.misses.late) == (90, 2)


def test_attempts_in_an_outage_fail_fast_and_are_tried_again_until_they_are_dead() -> None:
    outage = Outage(start_s=0, end_s=1000, fails_after_s=0.5)
    one = plant(task(0, 60), outages=(outage,), max_retries=2, retry_delay_s=8.0)
    one.advance(0.5)
    assert (one.tasks.scheduled, one.queues["default"].scheduled, one.tasks.running) == (1, 1, 0)
    one.advance(900)
    assert (one.tasks.dead, one.tasks.failed, one.tasks.done) == (1, 3, 0) and one.resting
    counts = one.take()
    assert (counts.finished, counts.failed, counts.arrivals) == (3, 3, 3)
    assert counts.busy_slot_s == pytest.approx(1.5) and counts.runs == {}


def test_a_task_whose_retry_comes_after_the_outage_is_done() -> None:
    outage = Outage(start_s=0, end_s=5, names=frozenset({"charge"}))
    one = plant(task(0, 1, name="charge"), task(0, 1, name="mail"), outages=(outage,), retry_delay_s=8.0)
    one.advance(NEVER_S)
    assert (one.tasks.done, one.tasks.failed, one.tasks.dead) == (2, 1, 0)


def test_above_the_limit_the_largest_worker_is_killed_and_its_tasks_are_charged_an_attempt() -> None:
    memory = Memory(worker_bytes=10, task_bytes={"big": 100}, limit_bytes=150)
    one = plant(task(0, 50, name="work"), task(1, 50, name="big"), task(2, 50, name="big"),
                workers=3, memory=memory, retry_delay_s=8.0)  # fmt: skip
    one.advance(2)
    assert (one.tasks.kills, one.tasks.scheduled, one.tasks.running) == (1, 1, 2)
    assert one.crew.wanted == 3 and one.crew.count(Life.STARTING) == 1
    assert one.crew.memory_bytes == sum(worker.memory_bytes for worker in one.crew.workers) == 130
    one.advance(NEVER_S)
    assert one.resting and one.tasks.done + one.tasks.dead == 3
    assert one.crew.memory_bytes == 30
