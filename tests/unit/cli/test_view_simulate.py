"""The report of a run fits its terminal, and says what is bad."""

from __future__ import annotations

import pytest

from tests.unit.simulate.builders import run, task
from tqd.cli import view_simulate
from tqd.cli.lines import Style, Tone, columns, render
from tqd.cli.view_simulate import Setting

SETTING = Setting("tra\x1bce.csv", "auto-scaling from 1 to 20 workers", 1, 10.0)
LATE = run([task(0, 40), task(0, 5), task(3, 5)], 1, 2)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_report_is_as_wide_as_its_terminal(width: int) -> None:
    shown = [render(one, None, Style()) for one in view_simulate.lines(LATE, SETTING, width, Style())]
    assert max(map(columns, shown)) <= width
    assert columns(shown[-1]) == width and shown[-1].endswith("40 s")


def test_without_colours_and_blocks_it_is_plain_ascii() -> None:
    style = Style(colour=False, blocks=False)
    shown = "\n".join(render(one, None, style) for one in view_simulate.lines(LATE, SETTING, None, style))
    assert shown.isascii() and "\x1b" not in shown and "#" in shown


def test_a_missed_goal_stands_out() -> None:
    goal = next(one for one in view_simulate.lines(LATE, SETTING, None, Style()) if "wait goal" in one[0][0])
    assert goal[1][1] is Tone.BAD and goal[1][0] == "10 s, missed for 2.6 s, 6.5 %; 2 tasks waited longer"
    met = run([task(0, 1)], 1)
    goal = next(one for one in view_simulate.lines(met, SETTING, None, Style()) if "wait goal" in one[0][0])
    assert goal[1] == ("10 s, never missed", Tone.PLAIN)


def test_waits_have_the_two_digits_that_are_good() -> None:
    waits = view_simulate.facts(LATE, SETTING)["wait"]
    assert set(waits) == {"p50_s", "p95_s", "p99_s"}
    assert all(value == float(f"{value:.2g}") for value in waits.values()) and waits["p99_s"] > 10
    shown = "\n".join(render(one, None, Style()) for one in view_simulate.lines(LATE, SETTING, None, Style()))
    assert "(good to about 12 %)" in shown
    at_once = run([task(0, 1)], 1)
    assert view_simulate.facts(at_once, SETTING)["wait"] == {"p50_s": 0.0, "p95_s": 0.0, "p99_s": 0.0}


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.99999, "100 %"), (0.5, "50 %"), (0.065, "6.5 %"), (0.001, "0.1 %"), (1e-9, "less than 0.1 %")],
)
def test_a_share_is_written_in_digits(share: float, shown: str) -> None:
    assert view_simulate._percent(share) == shown


def test_what_did_not_end_is_told() -> None:
    outcome = run([task(0, 1)], 0, workers=0)
    shown = "\n".join(
        render(one, None, Style()) for one in view_simulate.lines(outcome, SETTING, None, Style())
    )
    assert "1 not ended a day after the last arrival" in shown
    assert view_simulate.facts(outcome, SETTING)["tasks"]["unfinished"] == 1
