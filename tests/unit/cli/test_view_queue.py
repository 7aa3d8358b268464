"""Queues as lines and as JSON."""

from __future__ import annotations

from tqd.cli import view_queue
from tqd.cli.lines import PLAIN, Line, render
from tqd.store.queues import Purged, QueueView
from tqd.task.queue_limit import QueueLimit

LIMIT = QueueLimit(
    queue="mail", max_depth=50_000, concurrency=5, rate_per_s=10.0, key_concurrency=2, key_rate_per_s=50
)
MAIL = QueueView(
    name="mail", ready=1200, scheduled=30, claimed=5, oldest_ms=4600, paused=True, limit=LIMIT,
    running=5, held_by_keys=1000, publisher="web-1",
)  # fmt: skip
PLAIN_ONE = QueueView(name="default", ready=0, scheduled=0, claimed=0)


def text(lines: list[Line]) -> list[str]:
    return [render(one, None, PLAIN) for one in lines]


def test_the_table_says_state_counts_and_limits() -> None:
    head, mail, other = text(view_queue.table_of([MAIL, PLAIN_ONE], None))
    assert head.split() == [
        "queue",
        "state",
        "ready",
        "scheduled",
        "claimed",
        "oldest",
        "depth",
        "at",
        "once",
        "rate",
    ]
    assert mail.split() == ["mail", "paused", "1,200", "30", "5", "4s", "50,000", "5", "10/s"]
    assert other.split() == ["default", "open", "0", "0", "0", "-", "-", "-", "-"]


def test_a_queue_is_told_with_all_its_limits_and_whose_they_are() -> None:
    shown = "\n".join(text(view_queue.lines_of(MAIL, served=False)))
    for part in (
        "paused",
        "1,200, the oldest for 4s",
        "50,000",
        "10/s, 1 at once",
        "web-1",
        "not by the",
        "1,000 of them, by the limits of their keys",
        "2 at once, 50/s, 5 at once after a pause",
    ):
        assert part in shown
    assert "depth" not in "\n".join(text(view_queue.lines_of(PLAIN_ONE, served=True)))


def test_json_has_null_for_what_is_not_limited_or_not_known() -> None:
    facts = view_queue.facts(QueueView(name="x"))
    assert facts == dict.fromkeys(facts) | {"name": "x", "paused": False, "held_by_keys": 0}
    assert view_queue.facts(MAIL) == {
        "name": "mail", "paused": True, "ready": 1200, "scheduled": 30, "claimed": 5, "oldest_s": 4.6,
        "max_depth": 50_000, "concurrency": 5, "rate_per_s": 10.0, "burst": 1, "limited_by": "web-1",
        "held_by_keys": 1000, "key_concurrency": 2, "key_rate_per_s": 50.0, "key_burst": 5,
    }  # fmt: skip


def test_what_was_done_is_said() -> None:
    assert view_queue.purged_text(Purged(ready=1, scheduled=2), "mail") == (
        "1 ready and 2 scheduled tasks of queue mail were removed"
    )
    assert "would be removed" in view_queue.purged_text(Purged(dry_run=True), "mail")
    said = {
        view_queue.paused_text("mail", paused=paused, changed=changed)
        for paused in (True, False)
        for changed in (True, False)
    }
    assert len(said) == 4
