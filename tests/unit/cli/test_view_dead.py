"""Dead letters and tasks as lines and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tqd.cli import view_dead, view_task
from tqd.cli.lines import PLAIN, Line, render
from tqd.cli.view_moment import moment
from tqd.store.dead_letters import Found, Swept
from tqd.store.task_lookup import Listed, TaskView
from tqd.task.claim import Counts
from tqd.task.model import TaskOptions, TaskState
from tqd.wire.dead_letter import DeadLetter
from tqd.wire.envelope import Envelope, encode_value
from tqd.wire.records import ResultRecord

NOW_MS = 1_795_000_000_000
ID = "01a0" * 8
LETTER = DeadLetter(
    id=ID, name="shop.pay", queue="default", reason="raised", attempts=4, enqueued_ms=NOW_MS - 7_200_000,
    failed_ms=NOW_MS - 3_600_000, worker="w~1", args=["s3cret\x1b"], kwargs={"to": "s3cret"},
    errors=(("shop.Declined", "no\nfunds", "Traceback\n  line 1"), ("KeyError", "'a'", "")),
)  # fmt: skip
TASK = Envelope(
    "shop.pay", ["s3cret"], {}, "default", NOW_MS - 60_000, TaskOptions(timeout_s=5.0), {"trace": "x"}
)


def text(lines: list[Line], width: int | None = None) -> str:
    return "\n".join(render(one, width, PLAIN) for one in lines)


def view(**fields: Any) -> TaskView:
    known = {
        "id": ID,
        "state": TaskState.READY,
        "place": "ready:default",
        "queue": "default",
        "now_ms": NOW_MS,
    }
    return TaskView(**(known | {"envelope": TASK} | fields))


# -- dead letters ---------------------------------------------------------------------------------


def test_a_table_has_what_tells_letters_apart_and_says_that_there_are_more() -> None:
    shown = text(view_dead.table_of(Found(letters=[LETTER], more=True), 1234, "all", NOW_MS, None))
    assert ID in shown and "shop.pay" in shown and "1h00m" in shown and "shop.Declined: no\\nfunds" in shown
    assert "1 of 1,234 dead letters; there are more" in shown


def test_a_narrow_table_keeps_task_id_and_age() -> None:
    shown = text(view_dead.table_of(Found(letters=[LETTER], more=False), 1, "all", NOW_MS, 60), 60)
    assert ID in shown and "1h00m" in shown and "attempts" not in shown


@pytest.mark.parametrize(
    ("total", "more", "said"),
    [
        (0, False, "no dead letters"),
        (7, False, "no dead letter of 7 matches task x"),
        (70_000, True, "no dead letter of 70,000 matches task x among those looked through"),
    ],
)
def test_nothing_found_is_a_sentence(total: int, more: bool, said: str) -> None:
    assert text(view_dead.table_of(Found(letters=[], more=more), total, "task x", NOW_MS, None)) == said


def test_a_letter_tells_its_errors_with_their_tracebacks_and_hides_its_arguments() -> None:
    shown = text(view_dead.letter_lines(LETTER, NOW_MS, with_args=False))
    assert "s3cret" not in shown and "1 by position and to; --args shows them" in shown
    assert "shop.Declined: no\\nfunds\n  Traceback\n    line 1" in shown
    assert "because of KeyError: 'a'" in shown
    assert "1 h 0 min ago" in shown and "w~1" in shown


def test_arguments_that_are_shown_cannot_steer_the_terminal() -> None:
    shown = text(view_dead.letter_lines(LETTER, NOW_MS, with_args=True))
    assert "'s3cret\\x1b'" in shown and "to='s3cret'" in shown and "\x1b" not in shown


def test_an_unreadable_letter_is_shown_with_its_problem() -> None:
    broken = DeadLetter(id=ID, failed_ms=NOW_MS, problem="its record is missing; purge it")
    assert "its record is missing" in text(view_dead.letter_lines(broken, NOW_MS, with_args=True))
    assert "its record is missing" in text(
        view_dead.table_of(Found(letters=[broken], more=False), 1, "all", NOW_MS, None)
    )
    facts = view_dead.facts(broken, full=True)
    assert (facts["name"], facts["error_type"], facts["errors"]) == (None, None, [])


def test_json_hides_the_arguments_as_well() -> None:
    assert "s3cret" not in json.dumps(view_dead.facts(LETTER, full=True))
    shown = view_dead.facts(LETTER, full=True, with_args=True)["arguments"]
    assert (shown["args"], shown["kwargs"]) == (["'s3cret\\x1b'"], {"to": "'s3cret'"})


def test_a_sweep_says_what_it_did_by_task() -> None:
    swept = Swept(matched=3, done=3, by_name={"a": 1, "b": 2, "": 0})
    shown = text(view_dead.swept_lines(swept, "replay", "all", dry_run=False))
    assert shown == "3 dead letters replayed\n  2  b\n  1  a\n  0  ?"
    shown = text(view_dead.swept_lines(replace(swept, done=1), "purge", "all", dry_run=True))
    assert shown.startswith("1 dead letter would be purged")
    assert view_dead.swept_facts(swept, "purge", dry_run=True)["done"] == 0


def test_a_sweep_of_nothing_says_why() -> None:
    said = [
        text(view_dead.swept_lines(swept, "replay", which, dry_run=False))
        for swept, which in ((Swept(), "all"), (Swept(), "task x"), (Swept(missing=[ID]), "all"))
    ]
    assert said == [
        "nothing to replay: there are no dead letters",
        "nothing to replay: no dead letter matches task x",
        "nothing to replay",
    ]


# -- tasks ----------------------------------------------------------------------------------------


def test_a_task_tells_where_it_is_and_hides_its_arguments() -> None:
    shown = text(view_task.lines_of(view(position=3), with_args=False))
    assert f"task {ID} is ready" in shown and "ready:default, number 3" in shown
    assert (
        "s3cret" not in shown and "timeout_s 5.0" in shown and "trace" in shown and "1 min 0 s ago" in shown
    )
    assert "s3cret" in text(view_task.lines_of(view(), with_args=True))
    assert "s3cret" not in json.dumps(view_task.facts(view(), full=True))


def test_the_history_has_replays_attempts_worker_and_due_time() -> None:
    known = view(
        replays=2, replayed_ms=NOW_MS - 5000, counts=Counts(9, 2, 1), worker="w~1", due_ms=NOW_MS + 90_000
    )
    shown = text(view_task.lines_of(known, with_args=False))
    assert "2 ×, last" in shown and "2 failed, the worker died in 1" in shown
    assert "w~1" in shown and "in 1 min 30 s" in shown
    facts = view_task.facts(known, full=True)
    assert (facts["attempts"], facts["crashes"], facts["replays"]) == (2, 1, 2)


def test_a_task_in_no_place_says_so() -> None:
    lost = view(state=None, place="")
    assert "in no place that was found" in text(view_task.lines_of(lost, with_args=False))
    assert view_task.facts(lost)["state"] is None
    assert "in no place" in text(view_task.table_of(Listed(tasks=[lost]), ("default",), "", None))


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (ResultRecord(state=TaskState.DONE, value=encode_value([1, "x"]), finished_ms=NOW_MS), "[1, 'x']"),
        (ResultRecord(state=TaskState.DONE, value=b"\xc1", finished_ms=NOW_MS), "cannot be read"),
        (ResultRecord(state=TaskState.DEAD, error_type="E", error_message="no", finished_ms=NOW_MS), "E: no"),
        (ResultRecord(state=TaskState.EXPIRED, error_message="too late", finished_ms=NOW_MS), "too late"),
        (ResultRecord(state=TaskState.CANCELLED, error_message="gone", finished_ms=NOW_MS), "gone"),
    ],
)
def test_a_result_is_shown_or_why_there_is_none(record: ResultRecord, said: str) -> None:
    done = view(state=record.state, place="result", result=record, envelope=None)
    assert said in text(view_task.lines_of(done, with_args=False))
    assert view_task.facts(done, full=True)["result"]["finished_ms"] == NOW_MS


def test_a_dead_task_has_its_errors() -> None:
    dead = view(state=TaskState.DEAD, place="dead", letter=LETTER)
    shown = text(view_task.lines_of(dead, with_args=False))
    assert "raised; attempts: 4, the last on w~1" in shown and "because of KeyError" in shown
    facts = view_task.facts(dead, full=True)
    assert (facts["attempts"], facts["errors"][0]["type"]) == (4, "shop.Declined")


def test_a_table_of_tasks_has_one_line_each_and_says_that_there_are_more() -> None:
    shown = text(view_task.table_of(Listed(tasks=[view(), view()], more=True), ("default",), "", None))
    assert shown.count(ID) == 2 and "2 tasks; there are more" in shown
    nothing = text(view_task.table_of(Listed(), ("a", "b"), "ready", None))
    assert nothing == "no ready tasks in a, b"


# -- moments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_ms", "said"),
    [
        (0, ""),
        (NOW_MS, "2026-11-18 11:06:40 UTC, 0 s ago"),
        (NOW_MS - 61_000, "2026-11-18 11:05:39 UTC, 1 min 1 s ago"),
        (NOW_MS + 3_600_000, "2026-11-18 12:06:40 UTC, in 1 h 0 min"),
        (2**53, "in 104"),
    ],
)
def test_a_moment_says_when_and_how_far_away(at_ms: int, said: str) -> None:
    shown = moment(at_ms, NOW_MS)
    assert shown == said or (said == "in 104" and shown.startswith(said))
