"""Scaling decisions and thresholds as lines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scale_samples import busy, decide, sample
from tests.unit.cli.builders import event
from tqd.cli import view_scaling, why
from tqd.cli.lines import PLAIN, Line, render


def text(lines: list[Line]) -> list[str]:
    return [render(one, None, PLAIN).rstrip() for one in lines]


def told(**fields: Any) -> dict[str, Any]:
    return {"at": "2026-11-23T10:00:00Z", **decide(busy(**fields)).plain()}


def test_a_decision_is_its_time_and_its_sentence() -> None:
    one = told()
    assert text([view_scaling.decision(one)]) == [f"2026-11-23T10:00:00Z  {one['sentence']}"]


def test_the_signals_say_what_was_measured_against_what_and_how_they_voted() -> None:
    rows = {line.split()[0]: line for line in text(view_scaling.signals(told()))}
    assert list(rows) == [
        "signal", "queue_pressure", "worker_utilization", "task_complexity", "queue_wait", "error_rate",
        "memory_pressure",
    ]  # fmt: skip
    assert rows["worker_utilization"].endswith("up")
    assert "not known" in rows["task_complexity"]


def test_a_signal_that_lets_no_growth_happen_says_so() -> None:
    rows = text(view_scaling.signals(told(finished=100, failed=50)))
    assert next(row for row in rows if row.startswith("error_rate")).endswith("no growth")


def test_why_ends_with_the_last_decision_and_does_not_tell_it_twice() -> None:
    answer = {
        "events": [event("worker ready"), event("scaling_decision", sentence="old")],
        "decisions": [told(), {"at": "now", **decide(sample()).plain()}],
    }
    shown = text(why.lines(answer, None))
    assert "worker ready" in shown[0]
    assert "scaling_decision" not in "\n".join(shown)
    assert sum("workers:" in line or "held at" in line for line in shown) == 1


def test_why_with_a_number_tells_so_many_decisions() -> None:
    shown = text(why.lines({"events": [], "decisions": [told(), told(), told()]}, 2))
    assert sum(line.startswith("2026-") for line in shown) == 2


def test_without_auto_scaling_why_is_the_events_and_says_so() -> None:
    answer = {"events": [event()], "decisions": [], "mode": "off", "current": False}
    assert text(why.lines(answer, None))[1:] == ["", "auto-scaling is off"]


@pytest.mark.parametrize(
    ("mode", "start", "words"),
    [
        (
            "off", "2026-11-23T11:00:00Z",
            "auto-scaling is off; the decision below is of 2026-11-23T10:00:00Z, before this start",
        ),
        (
            "off", "2026-11-23T09:00:00Z",
            "auto-scaling is off; the decision below is of 2026-11-23T10:00:00Z, before it was turned off",
        ),
        (
            "act", "2026-11-23T11:00:00Z",
            "auto-scaling has not decided anything yet; the decision below is of 2026-11-23T10:00:00Z, "
            "before this start",
        ),
    ],
)  # fmt: skip
def test_a_decision_of_another_time_is_told_as_one_and_without_signals(
    mode: str, start: str, words: str
) -> None:
    one = told()
    answer = {"events": [], "decisions": [one], "mode": mode, "current": False, "started_at": start}
    assert text(why.lines(answer, None)) == ["", words, f"2026-11-23T10:00:00Z  {one['sentence']}"]


def test_a_decision_of_now_has_its_signals() -> None:
    answer = {"events": [], "decisions": [told(), told()], "mode": "act", "current": True, "started_at": "2"}
    shown = text(why.lines(answer, None))
    assert shown[3].startswith("signal") and "auto-scaling" not in "".join(shown)


def test_of_several_decisions_it_is_the_last_one_that_is_dated() -> None:
    answer = {"events": [], "decisions": [told(), told()], "mode": "off", "current": False, "started_at": "3"}
    assert "; the last decision below is of" in text(why.lines(answer, 2))[1]


def test_thresholds_are_shown_with_their_bounds_and_what_was_learned() -> None:
    answer = {
        "mode": "act", "adaptive": True, "frozen": True, "factor": 0.9,
        "thresholds": [
            {"name": "queue_pressure", "configured": 0.75, "effective": 0.675, "low": 0.375, "high": 0.9375}
        ],
        "history": [{"s_ago": 60.0, "before": 1.0, "after": 0.9, "missed": 0.5, "wasted": 0.0}],
    }  # fmt: skip
    shown = "\n".join(text(view_scaling.thresholds(answer)))
    for part in ("act", "frozen", "queue_pressure", "0.675", "0.375", "0.938", "1 → 0.9", "50%"):
        assert part in shown, part


def test_nothing_breaks_on_an_empty_answer() -> None:
    assert view_scaling.signals({}) == []
    assert text(view_scaling.thresholds({}))


@pytest.mark.parametrize(
    "row", [None, 3, "x", [1], {"value": 10**400, "low": -(10**400)}, {"vote": [1]}, {"unit": "\x1b[2J"}]
)
def test_a_signal_that_nobody_of_ours_noted_is_shown_as_far_as_it_can_be(row: Any) -> None:
    one = {**told(), "signals": {"queue_pressure": row, "error_rate": {"value": 0.5}}}
    shown = text(why.lines({"decisions": [one]}, None))
    assert any(line.startswith("queue_pressure") for line in shown)
    assert any(line.startswith("error_rate") and "0.5" in line for line in shown)
    assert "\x1b" not in "".join(shown)


@pytest.mark.parametrize("signals", [[], [1], 5, "x", {}, True])
def test_signals_that_are_no_table_are_left_out(signals: Any) -> None:
    one = {**told(), "signals": signals}
    assert text(why.lines({"decisions": [one]}, None))[1].endswith(one["sentence"])
