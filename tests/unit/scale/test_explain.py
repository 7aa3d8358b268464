"""The sentences: what a reader of `tqd why` is told, word for word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.scale_samples import EAGER, busy, decide, idle, sample, settings, steps
from tqd.scale.manual import order
from tqd.scale.sample import QueueReading, Sample
from tqd.scale.state import State

MB = 1_048_576


def test_growth_for_the_wait_names_the_queue_the_age_the_goal_the_need_and_the_bounds() -> None:
    given = busy(
        ready=20,
        oldest_s=12.4,
        busy_slot_s=100.0,
        pss_bytes=(100 * MB,) * 4,
        headroom_bytes=500 * MB,
        limit_bytes=0,
    )
    assert decide(given, max_queue_wait_time_ms=5000.0).sentence == (
        '4 → 6 workers: the oldest ready task of "mail" waited 12.4 s, goal 5 s; 9.7 workers are needed, and '
        "there are 4; memory allows 9; at most 2 per step"
    )


def test_growth_by_votes_names_each_vote_with_its_figures() -> None:
    assert decide(busy()).sentence == (
        "4 → 6 workers: queue pressure is 1.5 (threshold 0.75), 100 % of the slots are busy (threshold "
        "80 %); 10.0 workers are needed, and there are 4; at most 2 per step"
    )


def test_shrinking_names_its_votes_too() -> None:
    assert decide(idle()).sentence == (
        "4 → 3 workers: queue pressure is 0 (below 0.225), 10 % of the slots are busy (below 32 %); "
        "0.6 workers are needed, and there are 4; at most 1 per step"
    )


def test_what_failures_hold_back_is_told_with_both_figures() -> None:
    assert decide(busy(finished=100, failed=31)).sentence == (
        "held at 4: two votes up, but 31 % of attempts failed in the last minute (threshold 5 %): "
        "more workers would only fail faster"
    )


def test_a_calm_moment_is_told_with_its_figures() -> None:
    assert decide(sample(ready=20, oldest_s=0.2)).sentence == (
        "held at 4: no signal asks for a change; queue pressure is 0.5 (threshold 0.75), 50 % of the slots "
        'are busy (threshold 80 %), the oldest ready task of "mail" waited 0.2 s, goal 10 s; not known: task '
        "complexity (too few attempts finished that have a long-run mean)"
    )


@pytest.mark.parametrize(
    ("given", "clause"),
    [
        (sample(workers=1), "1 → 3 workers: min_workers is 3"),
        (sample(workers=30), "30 → 20 workers: max_workers is 20"),
        (sample(beats_age_s=42.0), "held at 4: the last word of the workers is 42.0 s old, limit 15 s"),
        (sample(queues_age_s=None), "held at 4: nothing has been heard of the queues yet"),
        (sample(since_start_s=1.0), "held at 4: the daemon was started 1.0 s ago, less than one interval"),
        (sample(since_reload_s=1.0), "held at 4: the reload was 1.0 s ago, less than one interval"),
        (
            sample(busy_slot_s=190.0, ready=20),
            "held at 4: one vote up of the two that it takes (95 % of the slots",
        ),
        (sample(busy_slot_s=190.0), "held at 4: one vote up against one vote down (queue pressure is 0"),
        (
            busy(arrivals_per_s=None, ready=31, slot_s=None),
            "not known: worker utilization (no worker has told",
        ),
        (sample(finished=-3), "; not believed: window.finished"),
        (
            busy(pss_bytes=(600 * MB,)),
            "two votes up, but a worker takes 600 MB (threshold 512 MB): they are to be recycled",
        ),
        (busy(nodes=3, rank=0, others=0), "3 daemons share the step"),
        (busy(wait_p95_s=11.0), "one task in twenty waited 11.0 s or longer, goal 10 s"),
    ],
)
def test_each_rule_has_its_sentence(given: Sample, clause: str) -> None:
    assert clause in decide(given, min_workers=3).sentence


def test_from_zero_is_told() -> None:
    given = sample(workers=0, ready=7, slot_s=0.0)
    assert decide(given, min_workers=0).sentence.endswith("workers: none is at work, and 7 tasks wait")


def test_an_order_is_told() -> None:
    state = State(order=order(7, 4, 1000.0))
    assert decide(sample(), state).sentence == (
        "4 → 7 workers: an operator asked for 7, which holds for 600 s"
    )


def test_too_little_memory_is_told() -> None:
    given = sample(pss_bytes=(100 * MB,) * 4, headroom_bytes=-90 * MB, limit_bytes=0)
    assert decide(given).sentence == (
        "4 → 3 workers: memory allows 3, as each may take 100 MB; at most 1 per step"
    )


def test_rows_and_cooldowns_are_told() -> None:
    _, decisions = steps([busy()] * 4, settings())
    assert decisions[0].sentence.endswith("but it takes 2 samples in a row, this is number 1")
    assert decisions[3].sentence.endswith("but the cooldown after the last growth lasts 50 s more")


def test_a_decision_is_plain_for_json() -> None:
    decision = decide(busy())
    plain = json.loads(json.dumps(decision.plain()))
    assert (plain["from"], plain["to"], plain["action"], plain["rule"]) == (4, 6, "up", "votes")
    assert plain["signals"]["worker_utilization"]["value"] == 1.0
    assert plain["votes"] == {"up": 2, "down": 0}
    assert plain["sentence"] == decision.sentence


def test_every_veto_of_a_decision_is_in_its_record() -> None:
    _, decisions = steps([busy(finished=100, failed=50)], settings(**EAGER, max_workers=4))
    assert [veto["kind"] for veto in decisions[0].plain()["vetoes"]] == ["errors", "max"]


@pytest.mark.parametrize(
    ("queue", "clause"),
    [
        ({"held": "paused", "ready": 118}, '118 tasks of "mail" are kept back, as it is paused'),
        (
            {"slowed": "at the limits of its keys", "keyed": 1},
            '1 task of "mail" is kept back, as it is at the limits of its keys',
        ),
    ],
)
def test_tasks_that_wait_for_something_else_than_workers_are_told(queue: dict[str, Any], clause: str) -> None:
    readings = (QueueReading(name="mail", **{"ready": 0, "claimed": 0} | queue),)
    decision = decide(sample(queues=readings))
    assert decision.sentence.endswith(f"; {clause}")
    (told,) = decision.plain()["held_queues"]
    assert (told["name"], told["ready"]) == ("mail", queue.get("ready", 1))
    assert (
        decide(sample(queues=readings)._replace(queues=(readings[0]._replace(ready=0, keyed=0),))).held == ()
    )
