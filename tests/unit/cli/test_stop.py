"""`tqd stop`: what it says that the daemon still has to do."""

from __future__ import annotations

from tests.unit.cli.builders import status, unknown_worker, worker
from tqd.cli.stop import waiting_for


def test_the_tasks_are_told_by_name_and_age() -> None:
    rows = [
        worker(1, busy=3, oldest_s=12.4, names=[["shop.mail", 3]]),
        worker(2, busy=1, oldest_s=71.9, names=[["shop.report", 1]]),
        unknown_worker(3),
    ]
    assert waiting_for(status(workers=rows)) == (
        "4 running tasks in 2 workers (shop.mail ×3, shop.report), the oldest for 1 min 11 s"
    )


def test_one_is_one() -> None:
    rows = [worker(1, busy=1, oldest_s=0.2, names=[])]
    assert waiting_for(status(workers=rows)) == "1 running task in 1 worker, the oldest for 0 s"


def test_after_the_tasks_the_workers_leave_and_then_the_keeper() -> None:
    assert waiting_for(status(workers=[worker(1, busy=0), worker(2, busy=None)])) == "2 workers leaving"
    assert waiting_for(status(workers=[unknown_worker(1)])) == "the keeper is signing off"
    assert waiting_for({}) == "the keeper is signing off"
