"""What cannot be a reading is not believed, and is told."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.support.scale_samples import busy, decide, sample
from tqd.scale.sample import QueueReading, Runs
from tqd.scale.sane import sane

IMPOSSIBLE = [math.nan, math.inf, -math.inf, -1, -0.5, 1e16, 10**400]


@pytest.mark.parametrize("value", IMPOSSIBLE, ids=repr)
@pytest.mark.parametrize(
    "name", ["busy_slot_s", "slot_s", "arrivals_per_s", "finished", "failed", "run_p95_s"]
)
def test_an_impossible_figure_of_the_window_is_not_known(name: str, value: float) -> None:
    found, refused = sane(sample(**{name: value}))
    assert getattr(found.window, name) is None
    assert refused == (f"window.{name}",)


@pytest.mark.parametrize("value", IMPOSSIBLE, ids=repr)
@pytest.mark.parametrize("name", ["ready", "claimed", "scheduled", "oldest_s"])
def test_an_impossible_figure_of_a_queue_is_not_known(name: str, value: float) -> None:
    found, refused = sane(sample(**{name: value}))
    assert getattr(found.queues[0], name) is None
    assert refused == (f"queues.mail.{name}",)


def test_impossible_run_times_and_sizes_are_left_out() -> None:
    runs = {"good": Runs(2, 1.0), "bad": Runs(2, math.nan), "worse": Runs(-2, 1.0)}
    found, refused = sane(sample(runs=runs, pss_bytes=(5, -5)))
    assert found.window.runs == {"good": Runs(2, 1.0)}
    assert found.pss_bytes == (5,)
    assert refused == ("window.runs.bad", "window.runs.worse", "pss_bytes")


def test_a_headroom_below_nothing_is_a_reading() -> None:
    assert sane(sample(headroom_bytes=-5))[1] == ()


def test_a_possible_sample_stays_as_it_is() -> None:
    given = sample()
    assert sane(given)[0] is given


def test_what_is_not_believed_is_told_with_the_decision() -> None:
    decision = decide(busy(arrivals_per_s=math.nan))
    assert decision.refused == ("window.arrivals_per_s",)


@pytest.mark.parametrize("number", [0, 1e15, 10**15])
def test_extreme_figures_neither_raise_nor_leave_the_bounds(number: Any) -> None:
    queue = QueueReading(name="q", weight=number, ready=number, claimed=number, oldest_s=number)
    given = sample(
        queues=(queue,), slots=number, busy_slot_s=number, slot_s=number, arrivals_per_s=number,
        finished=number, failed=number, runs={"a": Runs(number, number)}, pss_bytes=(number,),
        headroom_bytes=number, limit_bytes=number, nodes=number, rank=number, others=number,
        others_grown_s=number, others_changed_s=number,
    )  # fmt: skip
    assert 1 <= decide(given).to_workers <= 20
