"""The pure parts of the benchmarks: statistics, budgets, reports; nothing is measured here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from perf import report
from perf.backlog import noop_envelope
from perf.budgets import FILE, Budget, Direction, Excuse, Verdict, load
from perf.figure import Figure, figure, greatest, moment, paired, percentile, rate_per_s, sampled
from perf.flow.sleeps import share_of_ideal
from perf.report import as_json, figures_from, markdown, missed, number, rows, table
from perf.suite import SUITE, chosen

BUDGETS = load(FILE.read_text("utf-8"))
MACHINE = {"measured": "2026-11-23", "cores": "2"}


def budget(
    direction: Direction = Direction.AT_LEAST, tolerance: float = 0.0, excuse: Excuse | None = None
) -> Budget:
    return Budget(
        name="rate", what="tasks drained", bound=10.0, unit="/s", direction=direction, tolerance=tolerance,
        reason="it must be so", excuse=excuse,
    )  # fmt: skip


# -- figures -----------------------------------------------------------------------------------------


def test_a_figure_is_the_median_of_its_readings_and_knows_their_spread() -> None:
    found = figure("rate", [3.0, 1.0, 2.0], per_s=5.0)
    assert (found.value, found.spread, found.notes) == (2.0, (1.0, 3.0), {"per_s": 5.0})


def test_what_must_never_be_exceeded_is_the_greatest_of_its_readings() -> None:
    found = greatest("stop", [0.1, 0.3, 0.2], p50_s=0.2)
    assert (found.value, found.spread, found.notes) == (0.3, (0.1, 0.3), {"p50_s": 0.2})


def test_ratios_are_those_of_readings_taken_together() -> None:
    assert paired([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    with pytest.raises(ValueError):
        paired([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)])
def test_a_percentile_is_a_reading_by_nearest_rank(share: float, expected: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == expected


def test_samples_give_a_percentile_of_all_and_a_reading_of_each_fifth() -> None:
    found = sampled("latency", [float(n) for n in range(1, 13)], 0.5, most=12.0)
    assert (found.value, found.readings, found.notes) == (6.0, (2.0, 5.0, 8.0, 11.0), {"most": 12.0})


def test_a_moment_lies_on_the_line_between_two_readings() -> None:
    curve = [(0.0, 100), (1.0, 100), (2.0, 0)]
    assert [moment(curve, left) for left in (75, 50, 0)] == [1.25, 1.5, 2.0]


def test_a_moment_that_the_curve_does_not_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="does not pass 5: it goes from 100 to 10"):
        moment([(0.0, 100), (1.0, 10)], 5)


def test_a_rate_leaves_out_the_beginning_and_the_end() -> None:
    curve = [(0.0, 100), (5.0, 90), (6.0, 10), (20.0, 0)]
    assert rate_per_s(curve, 90, 10) == 80.0


def test_sleepers_that_fill_all_slots_all_the_time_reach_the_ideal() -> None:
    waves = [(n * 0.05, 1000 - n * 100) for n in range(11)]
    stairs = [step for at, left in waves[1:] for step in ((at - 1e-9, left + 100), (at, left))]
    assert share_of_ideal([(0.0, 1000), *stairs]) == pytest.approx(1.0, abs=1e-6)


# -- budgets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "direction", "tolerance", "verdict"),
    [
        (10.0, Direction.AT_LEAST, 0.0, Verdict.OK),
        (9.9, Direction.AT_LEAST, 0.0, Verdict.MISS),
        (9.5, Direction.AT_LEAST, 0.05, Verdict.CLOSE),
        (9.4, Direction.AT_LEAST, 0.05, Verdict.MISS),
        (10.0, Direction.AT_MOST, 0.0, Verdict.OK),
        (10.5, Direction.AT_MOST, 0.05, Verdict.CLOSE),
        (10.6, Direction.AT_MOST, 0.05, Verdict.MISS),
    ],
)
def test_a_bound_is_good_on_one_side_and_tolerant_on_the_other(
    value: float, direction: Direction, tolerance: float, verdict: Verdict
) -> None:
    assert budget(direction, tolerance).judge(figure("rate", [value])) is verdict


@pytest.mark.parametrize(
    ("core", "verdict"), [(0.95, Verdict.EXCUSED), (0.94, Verdict.MISS), (None, Verdict.MISS)]
)
def test_a_miss_is_excused_by_its_note(core: float | None, verdict: Verdict) -> None:
    excuse = Excuse(note="redis_core", value=0.95, says="Redis's core is full")
    notes = {} if core is None else {"redis_core": core}
    assert budget(excuse=excuse).judge(figure("rate", [1.0], **notes)) is verdict


@pytest.mark.parametrize(("lost", "verdict"), [(0.0, Verdict.OK), (1.0, Verdict.MISS)])
def test_a_bound_of_nothing_is_missed_by_one(lost: float, verdict: Verdict) -> None:
    assert (
        replace(budget(Direction.AT_MOST, tolerance=0.2), bound=0.0).judge(figure("rate", [lost])) is verdict
    )


def test_every_budget_has_a_benchmark_and_every_figure_a_budget() -> None:
    produced = [name for benchmark in SUITE for name in benchmark.figures]
    assert len(set(produced)) == len(produced)
    assert set(produced) == set(BUDGETS)


def test_every_budget_says_what_it_is_and_why() -> None:
    for found in BUDGETS.values():
        assert found.what and found.reason and found.unit
        assert found.bound >= 0 and 0 <= found.tolerance < 1


def test_an_unknown_field_of_a_budget_is_refused() -> None:
    with pytest.raises(TypeError):
        load('[x]\nwhat=""\nbound=1\nunit=""\ndirection="at most"\ntolerance=0\nreason=""\nlimit=1')


# -- the suite ---------------------------------------------------------------------------------------


def test_a_benchmark_is_chosen_by_its_name_or_by_a_figure() -> None:
    assert [b.name for b in chosen(["drain_2", "redis_cpu", "idle"])] == ["drain", "idle"]
    assert chosen([]) == list(SUITE)


def test_a_group_of_benchmarks_is_chosen_by_its_name() -> None:
    assert chosen(["flow"]) + chosen(["fleet"]) == list(SUITE)
    assert "reload" in [benchmark.name for benchmark in chosen(["fleet"])]


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no group, benchmark or figure is named drian; known: backlog"):
        chosen(["drian", "idle"])


def test_the_no_op_task_has_an_envelope_of_65_bytes() -> None:
    assert {len(noop_envelope(n, 1_780_000_000_000)) for n in (0, 999_999)} == {65}


# -- reports -----------------------------------------------------------------------------------------


def report_rows(value: float = 8.0) -> list[Figure]:
    return [figure("rate", [value, value + 1, value - 1], per_s=123_456.7), figure("other", [12.0])]


def test_the_table_shows_bound_measured_spread_verdict_and_notes() -> None:
    budgets = {"rate": budget(), "other": replace(budget(Direction.AT_MOST), name="other")}
    assert table(rows(report_rows(), budgets)).splitlines() == [
        "figure  bound    measured  spread  verdict",
        "rate    ≥ 10 /s  8         7 – 9   miss",
        "    per_s 123,457",
        "other   ≤ 10 /s  12        –       miss",
    ]


def test_the_markdown_speaks_in_words_and_names_the_machine() -> None:
    found = rows([figure("rate", [12.0])], {"rate": budget()})
    assert markdown(found, MACHINE).splitlines() == [
        "| what | bound | measured | spread | |",
        "|---|---|---|---|---|",
        "| tasks drained | ≥ 10 /s | 12 | – | ok |",
        "",
        "Machine: measured 2026-11-23, cores 2.",
    ]


def test_an_excuse_is_told_in_the_table() -> None:
    excuse = Excuse(note="redis_core", value=0.95, says="Redis's core is full")
    found = rows([figure("rate", [1.0], redis_core=1.0)], {"rate": budget(excuse=excuse)})
    assert "excused: Redis's core is full" in table(found)
    assert missed(found) == []


def test_a_json_report_can_be_read_again() -> None:
    found = rows([figure("rate", [8.0, 9.0], per_s=1.5)], {"rate": budget()})
    text = as_json(found, MACHINE)
    assert figures_from(text) == ([row.figure for row in found], MACHINE)
    assert json.loads(text)["figures"][0]["verdict"] == "miss"


def test_the_missed_figures_are_named() -> None:
    budgets = {"rate": budget(), "other": replace(budget(), name="other")}
    assert missed(rows(report_rows(), budgets)) == ["rate"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(123456.7, "123,457"), (173.2, "173"), (13.46, "13.5"), (2.0, "2"), (0.4567, "0.457"), (-0.92, "-0.92")],
)
def test_a_number_has_the_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table_is_written_between_the_marks_of_a_document() -> None:
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.with_table(text, "new") == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    with pytest.raises(ValueError, match="perf:begin"):
        report.with_table("no marks", "new")
