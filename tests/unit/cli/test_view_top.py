"""The frame of `tqd top` at many sizes: it fits, and what does not fit is counted."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.unit.cli.builders import event, queue, status, unknown_worker, worker
from tqd.cli.lines import Style, columns
from tqd.cli.view_top import EVENTS_MOST, frame, shares

SIZES = [*product((60, 80, 120, 200), (10, 24, 60)), (1, 1), (20, 3), (40, 6)]


def crowd(**changes: Any) -> dict[str, Any]:
    """A large daemon in trouble."""
    workers = [worker(n, done=10**12, id=f"a-worker-with-a-long-name-{n}") for n in range(1, 41)]
    workers[20] = unknown_worker(21)
    workers[30]["state"] = "hung"
    return status(
        state="degraded",
        workers=workers,
        target=40,
        queues=[queue(f"queue-{n}", ready=0, claimed=0, scheduled=0) for n in range(20)] + [queue("last")],
        problems=[f"problem number {n} is told in a long sentence that does not fit" for n in range(9)],
        events=[event(f"event {n}", text="x" * 300) for n in range(30)],
        **changes,
    )


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("picture", [status(), crowd()], ids=["small", "crowd"])
def test_a_frame_is_never_larger_than_the_screen(picture: dict[str, Any], width: int, height: int) -> None:
    lines = frame(picture, width, height)
    assert 0 < len(lines) <= height
    assert max(columns(text) for text in lines) <= width


def test_all_of_a_small_daemon_is_on_a_usual_screen() -> None:
    lines = frame(status(), 80, 24)
    assert lines[0].startswith("tqd running · shop.tasks:tq · 621/s · 2 of 2 workers ready · pid 3999")
    assert lines[1].startswith("memory 774.4 MB of 2,048 MB ███░░░░░░░ 38 %")
    starts = [text.split()[0] for text in lines if text]
    wanted = [
        "worker",
        "worker-1",
        "worker-2",
        "queue",
        "high_priority",
        "default",
        "low_priority",
        "dead",
        "11-23",
    ]
    assert [word for word in wanted if word not in starts] == []
    assert lines[-1] == "11-23 04:00:00 warning worker died  seat=worker-2  signal=SIGKILL"


def test_workers_that_do_not_fit_are_counted_and_those_that_are_not_ready_are_shown() -> None:
    lines = frame(status(workers=crowd()["workers"], target=40), 120, 24)
    first = next(number for number, text in enumerate(lines) if text.startswith("worker "))
    assert lines[first + 1].startswith("worker-21 ") and " hung " in lines[first + 2]
    shown = [text for text in lines if text.startswith(("worker-", "a-worker-"))]
    assert f"… {40 - len(shown)} more" in lines
    assert len(shown) > 2


def test_queues_that_do_not_fit_are_counted_and_those_with_tasks_are_shown() -> None:
    lines = frame(crowd(), 120, 30)
    first = next(number for number, text in enumerate(lines) if text.startswith("queue "))
    assert lines[first + 1].startswith("last ")
    shown = [text for text in lines if text.startswith(("queue-", "last "))]
    assert f"… {21 - len(shown)} more" in lines


def test_problems_take_at_most_a_quarter_and_their_number_is_told() -> None:
    lines = frame(crowd(), 120, 24)
    told = [text for text in lines if text.startswith("problem: ")]
    assert len(told) == 5 and "… 4 more; tqd status tells them" in lines


@pytest.mark.parametrize("width", [60, 80])
def test_a_low_screen_still_tells_state_trouble_workers_and_queues(width: int) -> None:
    lines = frame(crowd(), width, 10)
    assert lines[0].startswith("tqd degraded")
    assert lines[3].startswith("(1 of 9) problem: problem number 0")
    assert "… 39 more" in lines, "with one worker that is not ready above it"
    assert "21 queues: 1,200 ready, 30 scheduled, 16 claimed" in lines


def test_on_the_lowest_screen_the_workers_are_one_line() -> None:
    lines = frame(crowd(), 80, 7)
    assert "40 workers: 38 ready, 312 of 1,248 slots busy" in lines


def test_a_single_worker_and_a_single_queue_are_shown_where_one_line_is_left() -> None:
    lines = frame(status(workers=[worker(1)], queues=[queue()]), 80, 10)
    assert [text.split()[0] for text in lines[3:]][:4] == ["worker", "worker-1", "queue", "default"]


def test_every_column_is_there_on_a_wide_screen() -> None:
    (head,) = [text for text in frame(status(), 200, 60) if text.startswith("worker ")]
    assert " ".join(head.split()) == "worker pid state slots rate done failed RSS PSS lag oldest age gen"
    (narrow,) = [text for text in frame(status(), 60, 24) if text.startswith("worker ")]
    assert narrow.split()[:4] == ["worker", "pid", "state", "slots"]


def test_the_newest_events_are_at_the_bottom() -> None:
    lines = frame(status(events=[event(f"event {n}") for n in range(30)]), 80, 200)
    assert lines[-1].endswith("event 29")
    assert len([text for text in lines if " event " in text]) == EVENTS_MOST


def test_a_daemon_that_is_not_there_is_waited_for() -> None:
    lines = frame({"state": "not running", "runtime_dir": "/run/tqd"}, 80, 24)
    assert lines == ["tqd is not running, waiting for a start", "runtime directory /run/tqd"]


def test_a_daemon_that_never_answered_is_told_with_the_reason() -> None:
    lines = frame({"state": "not answering", "problems": ["the daemon (pid 7) does not answer"]}, 80, 24)
    assert lines == ["tqd: not answering", "problem: the daemon (pid 7) does not answer"]


def test_a_daemon_that_answers_no_more_leaves_its_last_figures() -> None:
    lines = frame(status(state="not answering", problems=["the daemon does not answer"]), 80, 24)
    assert lines[0].startswith("tqd not answering")
    assert [text for text in lines if text.startswith("worker-1 ")]


def test_states_are_coloured_and_only_where_colours_are_wanted() -> None:
    picture = status(workers=[worker(1), worker(2, state="hung")])
    coloured = "\n".join(frame(picture, 80, 24, Style(colour=True)))
    assert "\x1b[32mready\x1b[0m" in coloured and "\x1b[31mhung\x1b[0m" in coloured
    assert "\x1b" not in "".join(frame(picture, 80, 24))
    assert "".join(frame(status(), 80, 24, Style(blocks=False))).isascii()


@pytest.mark.parametrize(
    ("wants", "room", "got"),
    [
        ((2, 3, 5), 100, (2, 3, 5)),
        ((0, 0, 0), 5, (0, 0, 0)),
        ((40, 20, 20), 0, (0, 0, 0)),
        ((40, 20, 20), -3, (0, 0, 0)),
        ((40, 20, 20), 2, (1, 1, 0)),
        ((40, 20, 20), 8, (4, 2, 2)),
        ((1, 20, 0), 8, (1, 7, 0)),
    ],
)
def test_lines_are_dealt_in_turns(wants: tuple[int, int, int], room: int, got: tuple[int, int, int]) -> None:
    assert shares(wants, room) == got
