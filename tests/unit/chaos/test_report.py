"""The table of the chaos: what it adds up, what it tells apart, and where it is written."""

from __future__ import annotations

import json

import pytest

from tests.chaos.account import Verdict
from tests.chaos.outcome import Outcome
from tests.chaos.report import (
    BEGIN,
    END,
    account,
    as_json,
    markdown,
    outcomes_from,
    percentile,
    rows,
    table,
    with_table,
)

GOOD = Verdict(lost=(), doubled=(), stuck=(), charged=(), explained={"raised": 3})
BAD = Verdict(lost=(1, 2), doubled=(3,), stuck=(), charged=(), explained={"raised": 1, "worker killed": 2})


def outcome(verdict: Verdict = GOOD, lease_s: float = 3.0, **times_s: list[float]) -> Outcome:
    return Outcome(
        seed=1, lease_s=lease_s, took_s=50.0, tasks=1000, uncertain=2, refused=3, attempts=1200,
        faults={kind: len(times) for kind, times in times_s.items()}, times_s=times_s, verdict=verdict,
    )  # fmt: skip


def test_the_times_of_all_runs_are_one_row() -> None:
    (row,) = rows([outcome(worker_kill=[0.3, 0.1]), outcome(worker_kill=[0.2])])
    assert (row.kind, row.count, row.times_s) == ("worker_kill", 3, (0.1, 0.2, 0.3))


def test_what_waits_for_a_lease_has_a_row_for_each_lease() -> None:
    found = rows([outcome(daemon_kill=[2.0]), outcome(lease_s=15.0, daemon_kill=[14.0])])
    assert [row.kind for row in found] == ["daemon_kill (lease 15 s)", "daemon_kill (lease 3 s)"]


def test_percentiles_are_times_that_were_measured() -> None:
    times = [float(n) for n in range(1, 101)]
    assert (percentile(times, 0.5), percentile(times, 0.99), percentile([], 0.5)) == (50.0, 99.0, None)


def test_the_account_adds_up_all_runs() -> None:
    found = account([outcome(), outcome(BAD)])
    assert (found["tasks"], found["lost"], found["doubled"], found["stuck"]) == (2000, 2, 1, 0)


def test_a_run_with_a_broken_promise_is_not_clean() -> None:
    assert outcome().clean
    assert not outcome(BAD).clean


def test_the_table_tells_times_and_causes() -> None:
    told = table([outcome(BAD, worker_kill=[0.025, 1.5])])
    assert "worker_kill  2      25 ms  1.5 s  1.5 s" in told
    assert "extra attempts: raised 1, worker killed 2" in told


def test_the_readme_says_it_in_words() -> None:
    told = markdown([outcome(worker_kill=[0.025])], {"cores": "2"})
    assert "| a worker is killed | 1 | 25 ms | 25 ms | 25 ms |" in told
    assert "**lost 0, run twice without a cause 0, stuck 0**" in told


def test_the_json_has_every_time() -> None:
    document = json.loads(as_json([outcome(worker_kill=[0.1, 0.2])], {7: "it hung"}, {"cores": "2"}))
    assert document["faults"][0]["times_s"] == [0.1, 0.2]
    assert document["failures"] == {"7": "it hung"}


def test_runs_without_an_end_are_not_kept_back() -> None:
    assert "2 more runs did not come to their end" in table([outcome()], 2)
    assert "2 more runs did not come to their end" in markdown([outcome()], {}, 2)
    assert "did not come" not in table([outcome()]) + markdown([outcome()], {})


def test_runs_are_read_again_from_the_json() -> None:
    runs = [outcome(worker_kill=[0.1]), outcome(BAD)]
    read, machine = outcomes_from(as_json(runs, {}, {"cores": "2"}))
    assert (table(read), machine) == (table(runs), {"cores": "2"})
    assert [run.clean for run in read] == [True, False]


def test_the_table_is_written_between_its_marks() -> None:
    assert with_table(f"a\n{BEGIN}\nold\n{END}\nb", "new") == f"a\n{BEGIN}\nnew\n{END}\nb"
    with pytest.raises(ValueError, match="no <!-- chaos:begin"):
        with_table("a", "new")
