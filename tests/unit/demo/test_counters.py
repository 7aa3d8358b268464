"""Where tqd's counters must agree with the journal, and where they cannot."""

from __future__ import annotations

from typing import Any

from tests.unit.demo.test_account import CUT_OFF, KILLED, LIVING, done, ledger
from tqd.cli.demo_account import account
from tqd.cli.demo_counters import counters, disagreements

LINES = [*CUT_OFF, *done(1, KILLED), *done(2)]


def status(**changes: int) -> dict[str, Any]:
    """The living worker did two, the killed one did one that no beat told."""
    figures = {"done": 2, "worker_done": 2, "reclaimed": 1, "ready": 0} | changes
    return {
        "totals": {
            "done": figures["done"], "retried": 0, "reclaimed": figures["reclaimed"], "released": 0,
        },
        "workers": [{"id": "worker-1", "pid": LIVING, "done": figures["worker_done"], "retried": 0}],
        "queues": [{"name": "default", "ready": figures["ready"], "scheduled": 0}],
        "dead_letters": 0,
    }  # fmt: skip


def found(shown: dict[str, Any]) -> list[str]:
    made = ledger(*LINES)
    return disagreements(shown, made, account(made, 3, KILLED, 0), KILLED)


def test_what_the_killed_worker_did_after_its_last_beat_is_no_contradiction() -> None:
    assert found(status()) == []
    assert counters(status(), ledger(*LINES)).untold_done == 1


def test_a_last_beat_that_told_everything_is_no_contradiction() -> None:
    assert found(status(done=3)) == []


def test_a_living_workers_counter_must_be_exact() -> None:
    assert found(status(worker_done=1)) == ["worker-1 counts 1 done, its tasks' journal 2"]


def test_more_than_the_killed_worker_did_cannot_be_missing() -> None:
    assert found(status(done=1)) == ["tqd's total of done is 2 short, where at most 1 can be untold"]


def test_tqd_cannot_have_done_more_than_the_journal_holds() -> None:
    assert found(status(done=4)) == ["tqd's total of done is -1 short, where at most 1 can be untold"]


def test_what_was_given_back_must_be_exact() -> None:
    assert found(status(reclaimed=2)) == ["tqd gave back 2 tasks, the journal knows of 1"]


def test_nothing_may_be_left_in_the_queues() -> None:
    assert found(status(ready=4)) == ["4 tasks are still in the queues"]


def test_a_seat_without_a_process_is_not_compared() -> None:
    shown = status()
    shown["workers"].append({"id": "worker-2", "pid": None, "done": None, "retried": None})
    assert found(shown) == []
