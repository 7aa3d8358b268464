"""What is said of a status: nothing unknown becomes a figure, nothing that matters is left out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.builders import event, queue, status, unknown_worker, worker
from tqd.cli import view_events, view_head, view_tables
from tqd.cli.lines import PLAIN, Line, Tone, render


def plain(pieces: Line) -> str:
    return render(pieces, None, PLAIN)


def cells(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    head, *lines = [plain(one) for one in view_tables.workers(rows, None, drawn=False)]
    return [
        dict(zip(head.split(), text.replace(" MB", "MB").replace(" ms", "ms").split(), strict=True))
        for text in lines
    ]


# -- the daemon as a whole ------------------------------------------------------------------------


def test_the_title_tells_state_app_rate_workers_pid_age_and_generation() -> None:
    shown = plain(view_head.title(status(state="reloading", target=4, generation=3), None))
    assert shown == (
        "tqd reloading · shop.tasks:tq · 621/s · 2 of 4 workers ready · pid 3999 · up 3 h 12 min · "
        "generation 3 · web-1"
    )


def test_without_a_target_the_workers_that_are_there_count() -> None:
    assert view_head.workers_ready(status(target=None)) == "2 of 2 workers ready"
    assert view_head.workers_ready({}) == "0 of 0 workers ready"


def test_the_daemon_is_as_healthy_as_it_says_and_an_old_one_when_it_runs() -> None:
    assert view_head.is_healthy(status())
    assert not view_head.is_healthy(status(healthy=False))
    assert view_head.is_healthy({"state": "running"}) and not view_head.is_healthy({"state": "degraded"})


def test_memory_is_shown_against_its_limit_with_the_shares_of_the_processes() -> None:
    shown = plain(view_head.memory(status(), None, drawn=False))
    assert shown == (
        "memory 774.4 MB of 2,048 MB (38 %) · workers 42.0 MB PSS · master 29.6 MB · keeper 31.5 MB · "
        "pressure 0.0 % · limit: cgroup v2 /system.slice/tqd.service"
    )
    assert "███░░░░░░░ 38 %" in plain(view_head.memory(status(), None, drawn=True))


def test_memory_that_is_not_known_is_no_zero() -> None:
    unknown = dict.fromkeys(("limit_bytes", "used_bytes", "origin", "pressure_some_avg10"))
    picture = status(
        memory=unknown, workers=[worker(1), worker(2, pss_bytes=None)], keeper={"rss_bytes": None}
    )
    shown = plain(view_head.memory(picture, None, drawn=True))
    assert shown == "memory - · master 29.6 MB · keeper -", "a sum with an unknown part is not known"


def test_a_keeper_that_is_not_ready_is_told() -> None:
    assert "keeper is starting 31.5 MB" in plain(
        view_head.memory(status(keeper={"state": "starting"}), None, drawn=False)
    )


def test_the_tasks_since_the_start_are_counted_by_their_ends() -> None:
    shown = plain(view_head.tasks(status(totals={"run_p95_s": None}), None))
    assert shown == (
        "123,456 done · 3 failed · 12 retried · 1 recovered · run p50 1.20 ms, p95 - · 0 given back · "
        "0 superseded"
    )


def test_tasks_that_were_discarded_are_told_when_there_are_any() -> None:
    assert " · 1,234 discarded · " in plain(view_head.tasks(status(totals={"discarded": 1234}), None))


def test_tasks_that_have_expired_are_told_when_there_are_any() -> None:
    assert " · 1,234 expired · " in plain(view_head.tasks(status(totals={"expired": 1234}), None))


def test_the_news_are_problems_a_reload_and_notes() -> None:
    picture = status(problems=["p1", "p2"], reload="generation 2: canary", notes=["n1"])
    assert view_head.news(picture, old=True) == [
        ("problem: p1", Tone.BAD),
        ("problem: p2", Tone.BAD),
        ("reload: generation 2: canary", Tone.NOTE),
        ("note: n1", Tone.PLAIN),
    ]
    assert view_head.news(status(), old=True) == []


@pytest.mark.parametrize(
    ("ok", "s_ago", "told"),
    [(True, 5.0, True), (True, 500.0, False), (False, 500.0, True), (False, None, True)],
)
def test_a_reload_that_went_well_is_no_news_after_a_while_and_a_refused_one_stays(
    ok: bool, s_ago: float | None, told: bool
) -> None:
    picture = status(last_reload={"ok": ok, "text": "why", "s_ago": s_ago})
    assert len(view_head.news(picture, old=False)) == told
    ((text, _),) = view_head.news(picture, old=True)
    assert text.startswith(f"last reload {'done' if ok else 'refused'} ") and text.endswith(" ago: why")


@pytest.mark.parametrize(
    ("state", "tone"),
    [("running", Tone.GOOD), ("quiet", Tone.NOTE), ("crash-looping", Tone.BAD), ("never heard of", Tone.BAD)],
)
def test_states_are_good_in_between_or_bad(state: str, tone: Tone) -> None:
    assert view_head.tone_of(state) is tone
    assert view_head.title(status(state=state), None)[0][1] is tone


# -- workers --------------------------------------------------------------------------------------


def test_a_worker_is_shown_with_all_its_figures() -> None:
    (row,) = cells([worker(3, failed=7, done=1_234_567, lag_ms=12.4)])
    assert row == {
        "worker": "worker-3",
        "pid": "4003",
        "state": "ready",
        "slots": "8/32",
        "rate": "310/s",
        "done": "1,234,567",
        "failed": "7",
        "RSS": "58.2MB",
        "PSS": "21.0MB",
        "lag": "12ms",
        "oldest": "3s",
        "age": "1h02m",
        "gen": "1",
    }


def test_of_a_worker_that_is_not_there_nothing_is_made_up() -> None:
    (row,) = cells([unknown_worker(6)])
    assert row.pop("worker") == "worker-6" and row.pop("state") == "empty"
    assert set(row.values()) == {"-"}


def test_what_an_older_daemon_does_not_send_is_not_known() -> None:
    (row,) = cells([{"id": "worker-1", "pid": 7, "state": "ready"}])
    assert (row["pid"], row["rate"], row["PSS"], row["gen"]) == ("7", "-", "-", "-")


def test_slots_are_drawn_as_a_bar_where_that_is_wanted() -> None:
    drawn = [
        plain(one) for one in view_tables.workers([worker(busy=16), unknown_worker(2)], None, drawn=True)
    ]
    assert "████░░░░ 16/32" in drawn[1] and "░" not in drawn[2]


def test_a_name_from_outside_cannot_steer_the_terminal() -> None:
    tables = [
        *view_tables.workers([worker(id="\x1b[2J", state="\x07")], None, drawn=True),
        *view_tables.queues([queue("\x1b]0;x\x07")], None),
        *view_tables.workers_and_tasks([worker(names=[["\x1b[2J", 2]])]),
        view_head.title(status(master={"app": "\x1b[2J", "node": "\n"}), None),
        view_events.event(event("\x1b[2J", "\x1b", **{"\x1b": "\x1b\n\x1b", "list": ["\x1b"]}), dated=True),
    ]
    assert all(plain(one).isprintable() for one in tables)


def test_workers_that_are_not_ready_come_first_and_the_others_keep_their_order() -> None:
    rows = [worker(1), worker(2), worker(3, state="hung"), worker(4, state="starting")]
    assert [row["id"][-1] for row in view_tables.by_need(rows)] == ["3", "4", "1", "2"]


def test_the_list_of_workers_names_what_they_run() -> None:
    head, first, second = [
        plain(one) for one in view_tables.workers_and_tasks([worker(1, failures=4), unknown_worker(2)])
    ]
    assert head.endswith("tasks in hand")
    assert first.endswith("4  shop.tasks.mail ×3, shop.tasks.resize")
    assert second.split()[-1] == "-"


def test_tasks_in_hand_are_added_up_over_the_workers() -> None:
    rows = [worker(names=[["mail", 3], ["b", 1]]), worker(names=[["b", 4]]), worker(names=None)]
    assert view_tables.in_hand(rows) == "b ×5, mail ×3"
    many = worker(names=[[f"t{n}", 1] for n in range(9)])
    assert view_tables.in_hand([many], most=2) == "t0, t1 and 7 other kinds"
    assert view_tables.in_hand([unknown_worker()]) == ""


# -- queues ---------------------------------------------------------------------------------------


def test_a_queue_is_shown_with_its_figures() -> None:
    _, full, empty = [
        plain(one)
        for one in view_tables.queues(
            [queue(ready=1_234_567_890), queue("x", ready=None, claimed=None, oldest_s=None)], None
        )
    ]
    assert full.split() == ["default", "1,234,567,890", "30", "16", "4s", *["-"] * 5]
    assert empty.split() == ["x", "-", "30", "-", "-", *["-"] * 5]


def test_a_queue_is_shown_with_its_last_minute() -> None:
    lately = {
        "arrivals_per_s": 12.34, "rate_per_s": 11.0, "error_rate": 0.054, "run_p95_s": 0.0213,
        "wait_p95_s": 12.6,
    }  # fmt: skip
    _, row = view_tables.queues([queue(**lately)], None)
    assert plain(row).split()[5:] == ["12/s", "11/s", "5", "%", "21", "ms", "12", "s"]
    assert ("5 %", Tone.BAD) in row


def test_the_last_minute_is_told_in_one_line() -> None:
    minute = {
        "span_s": 61.2, "rate_per_s": 3.25, "error_rate": 0.0, "worker_utilization": 0.621,
        "run_p95_s": 0.5, "wait_p95_s": None,
    }  # fmt: skip
    shown = plain(view_head.lately(status(windows={"1m": minute}), None))
    assert shown == "last 1 min 1 s: 3.2/s · 0 % errors · slots 62 % busy · run p95 500 ms · wait p95 -"
    together = status(windows={"1m": minute}, namespace={"nodes": 3, "workers": 12})
    assert plain(view_head.lately(together, None)).endswith("· 3 daemons with 12 workers")
    assert view_head.lately(status(), None) == [], "an older daemon does not tell"


def test_what_is_left_of_the_memory_is_told() -> None:
    picture = status(memory={"headroom_bytes": 104_857_600})
    assert "· 100.0 MB left ·" in plain(view_head.memory(picture, None, drawn=False))


def test_queues_in_one_line_make_no_sum_of_what_is_not_known() -> None:
    rows = [queue(ready=5), queue("x", claimed=None)]
    assert plain(view_tables.queues_together(rows)) == "2 queues: 1,205 ready, 60 scheduled, - claimed"


def test_queues_with_work_come_first() -> None:
    idle = {"ready": 0, "scheduled": 0, "claimed": 0}
    rows = [queue("a", **idle), queue("b"), queue("c", **idle), queue("d", ready=0)]
    assert [row["name"] for row in view_tables.by_work(rows)] == ["b", "d", "a", "c"]


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "dead letters: 0"),
        ({"dead_letters": 1234, "sampled_s_ago": 1.9}, "dead letters: 1,234"),
        ({"sampled_s_ago": 5.0}, "dead letters: 0; the queues' figures are 5 s old"),
        (
            {"sampled_s_ago": 44.0, "keeper": {"redis_down_s": 43.2}},
            "dead letters: 0; the queues' figures are 44 s old: Redis has not served for 43 s",
        ),
        ({"dead_letters": None}, "the queues are not known: no sample from Redis yet"),
        (
            {"dead_letters": None, "keeper": {"redis_down_s": 3.0}},
            "the queues are not known: Redis has not served for 3 s",
        ),
        ({"keeper": {"redis_down_s": None}}, "dead letters: 0"),
    ],
)
def test_old_figures_of_the_queues_say_how_old_they_are_and_why(changes: dict[str, Any], shown: str) -> None:
    assert plain(view_tables.dead(status(**changes))) == shown


# -- events ---------------------------------------------------------------------------------------


def test_an_event_is_one_line_of_time_level_event_and_fields() -> None:
    one = event(
        "child is killed", "error", seat="worker-8", pid=12, reason="no beat for 30 s", empty="", none=None
    )
    assert plain(view_events.event(one, dated=True)) == (
        '2026-11-23T04:00:00.123Z error   child is killed  seat=worker-8  pid=12  reason="no beat for 30 s"'
        '  empty=""  none=null'
    )
    assert plain(view_events.event(one, dated=False)).startswith("11-23 04:00:00 error   child is killed")


def test_a_reason_of_many_lines_is_told_on_one() -> None:
    one = event(
        "reload refused", "warning", reason="importing failed:\n  File x\n\nZeroDivisionError: 1 / 0\n"
    )
    assert plain(view_events.event(one, dated=True)).endswith(
        'reason="importing failed: | File x | ZeroDivisionError: 1 / 0"'
    )


def test_an_event_without_its_parts_is_still_a_line() -> None:
    assert plain(view_events.event({}, dated=False)) == " info    "


def test_suspects_and_the_probe_are_news() -> None:
    probe = worker(id="probe", pid=77, names=[["shop.pay", 1]])
    ((text, tone),) = view_head.news(status(suspects=3, probe=probe), old=True)
    assert text == (
        "suspects: 3 tasks wait to run alone: workers died with them in hand; "
        "the probe (pid 77) is ready and runs shop.pay"
    )
    assert tone is Tone.NOTE
    assert view_head.suspects(status(probe=probe, probes=[probe] * 3)).endswith("runs shop.pay, and 2 more")
    assert view_head.suspects(status(suspects=1)).startswith("suspects: 1 task waits")
    assert "the probe" not in view_head.suspects(status(suspects=1))
    assert view_head.suspects({}) == ""


def test_a_paused_queue_is_marked() -> None:
    shown = [plain(one) for one in view_tables.queues([queue(), queue("mail", paused=True)], None)]
    assert "mail (paused)" in shown[2] and "paused" not in shown[1]
