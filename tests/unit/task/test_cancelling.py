"""The mark of a task that somebody has cancelled, and what follows for its attempt."""

from __future__ import annotations

import pytest

from tqd.task.cancelling import KEPT_S, LONGEST_REASON, CancelMark, read_mark, spoken
from tqd.task.claim import Claim
from tqd.task.model import DEFAULTS, TaskOptions
from tqd.task.outcome import Cancelled
from tqd.task.settle import Dismiss, settlement

CLAIM = Claim(b"id", b"2:1:0:default", b"")


def test_a_mark_comes_back_as_it_was() -> None:
    mark = CancelMark(asked_ms=55, reason="the order: is gone")
    assert read_mark(mark.encode()) == mark
    assert spoken(mark) == "the order: is gone"
    assert spoken(CancelMark(asked_ms=1, reason="")) == "on request"


def test_a_long_reason_is_cut() -> None:
    assert len(read_mark(CancelMark(asked_ms=1, reason="x" * 9999).encode()).reason) == LONGEST_REASON


@pytest.mark.parametrize("data", [b"", b":", b"x:y", b"9" * 40, b"\xff\xfe:\xff", b"-5:why"])
def test_whatever_stands_there_is_a_mark(data: bytes) -> None:
    assert read_mark(data).asked_ms == 0


@pytest.mark.parametrize(("ttl_s", "kept_s"), [(None, KEPT_S), (5.0, KEPT_S), (7200.0, 7200.0)])
def test_a_cancelled_task_is_dismissed_and_leaves_a_record_for_a_while(
    ttl_s: float | None, kept_s: float
) -> None:
    options = TaskOptions(result_ttl_s=ttl_s).over(DEFAULTS)
    dismissed = settlement(CLAIM, Cancelled("why"), options, 1000, 0.5)
    assert isinstance(dismissed, Dismiss) and dismissed.asked
    assert (dismissed.reason, dismissed.ttl_ms) == ("why", kept_s * 1000)
