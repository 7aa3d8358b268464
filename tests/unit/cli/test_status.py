"""`tqd status` for a person: everything there is, aligned, and readable on a narrow terminal."""

from __future__ import annotations

import pytest

from tests.unit.cli.builders import event, queue, status, unknown_worker, worker
from tqd.cli.lines import PLAIN, columns, render
from tqd.cli.status import lines


def shown(width: int | None = None, **changes: object) -> list[str]:
    return [render(one, width, PLAIN) for one in lines(status(**changes), width)]


def test_a_healthy_daemon_is_told_as_it_is() -> None:
    head = shown()[:5]
    assert head == [
        "tqd 0.2.0 is running: shop.tasks:tq, pid 3999, up 3 h 12 min, node web-1",
        "generation 1, 2 of 2 workers ready, 621/s now",
        "123,456 done · 3 failed · 12 retried · 1 recovered · run p50 1.20 ms, p95 20 ms · 0 given back · "
        "0 superseded",
        "memory 774.4 MB of 2,048 MB (38 %) · workers 42.0 MB PSS · master 29.6 MB · keeper 31.5 MB · "
        "pressure 0.0 % · limit: cgroup v2 /system.slice/tqd.service",
        "Redis redis://localhost:6379 answers; keeper pid 4000 ready, heard 0.3 s ago",
    ]


def test_workers_queues_dead_letters_and_the_last_five_events_follow() -> None:
    text = shown(events=[event(f"event {n}") for n in range(20)], dead_letters=7)
    for start in ("worker-1 ", "worker-2 ", "high_priority ", "low_priority ", "dead letters: 7"):
        assert [row for row in text if row.startswith(start)], start
    assert [row.split()[-1] for row in text[-5:]] == ["15", "16", "17", "18", "19"]


def test_problems_a_refused_reload_and_notes_are_told_with_all_their_lines() -> None:
    text = shown(
        problems=["worker-2 does not answer"],
        reload="generation 2: canary worker-3 imports the app",
        last_reload={"ok": False, "text": "importing failed:\nZeroDivisionError: 1 / 0", "s_ago": 72.0},
        notes=["appendonly is off"],
    )
    assert text[5:10] == [
        "  problem: worker-2 does not answer",
        "  reload: generation 2: canary worker-3 imports the app",
        "  last reload refused 1 min 12 s ago: importing failed:",
        "    ZeroDivisionError: 1 / 0",
        "  note: appendonly is off",
    ]


def test_what_is_not_known_yet_is_a_dash() -> None:
    text = shown(
        workers=[unknown_worker(1)],
        queues=[queue(ready=None, scheduled=None, claimed=None, oldest_s=None)],
        dead_letters=None,
        sampled_s_ago=None,
        keeper={"pid": None, "state": "starting", "beat_s_ago": None, "redis_down_s": None},
        generation=None,
        events=[],
    )
    assert "Redis redis://localhost:6379; keeper pid - starting" in text
    assert text[1] == "0 of 2 workers ready, 621/s now"
    assert text[-1] == "the queues are not known: no sample from Redis yet"


def test_a_redis_that_is_down_is_told_with_its_time() -> None:
    assert "has not served for 43 s; keeper" in shown(keeper={"redis_down_s": 43.0})[4]


def test_a_status_of_an_older_daemon_is_shown_as_far_as_it_goes() -> None:
    old = {
        "state": "running",
        "problems": [],
        "master": {"version": "0.1.0", "pid": 7},
        "workers": [],
        "queues": [],
    }
    text = [render(one, None, PLAIN) for one in lines(old, None)]
    assert text[0] == "tqd 0.1.0 is running: ?, pid 7, up -, node ?"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    workers = [worker(n, id=f"worker-with-a-long-name-{n}", done=10**12) for n in range(3)]
    text = shown(
        width, workers=workers, problems=["a long sentence " * 20], events=[event("e", text="x" * 300)]
    )
    assert max(columns(row) for row in text) <= width


def test_a_problem_is_folded_and_not_cut() -> None:
    sentence = "worker-2 has not answered for 31 s: a task may block its loop and the others wait"
    assert sentence in " ".join(" ".join(shown(40, problems=[sentence])).split())
