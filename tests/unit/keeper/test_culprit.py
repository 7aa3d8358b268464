"""The attempt for which a worker was killed."""

from __future__ import annotations

import pytest

from tqd.keeper.culprit import read_culprit
from tqd.task.outcome import MAX_MESSAGE
from tqd.task.settle import Bury, RetryAt

VALUES = [b"i" * 16, b"3:1:0:mail", "HardTimeout", "blocked at shop.py:5", 2, 8.0, 60.0, 5.0, 0.0]


def test_no_values_are_no_culprit() -> None:
    assert read_culprit([]) is None


def test_a_culprit_with_retries_left_is_tried_again_and_charged() -> None:
    culprit = read_culprit(VALUES)
    assert culprit is not None
    end = culprit.settlement(b"payload", 1_000_000, 0.0)
    assert isinstance(end, RetryAt)
    assert (end.task_id, end.token, end.queue) == (b"i" * 16, b"3:1:0:mail", "mail")
    assert end.due_ms == 1_016_000, "the second failure: 8 s, doubled"
    assert (end.counts.fence, end.counts.attempts, end.counts.crashes) == (3, 2, 0)


def test_a_culprit_without_retries_left_is_a_dead_letter_with_its_payload_and_error() -> None:
    culprit = read_culprit([*VALUES[:4], 1, *VALUES[5:]])
    assert culprit is not None
    end = culprit.settlement(b"payload", 1_000_000, 0.0)
    assert isinstance(end, Bury)
    assert (end.claim.envelope, end.reason, end.attempts, end.ttl_ms) == (b"payload", "timed out", 2, 5000)
    assert (end.errors[0].type, end.errors[0].message) == ("HardTimeout", "blocked at shop.py:5")


def test_a_culprit_whose_next_attempt_would_begin_after_its_deadline_is_a_dead_letter() -> None:
    culprit = read_culprit([*VALUES[:8], 1_010.0])
    assert culprit is not None
    end = culprit.settlement(b"payload", 1_000_000, 0.0)
    assert isinstance(end, Bury)
    assert (end.reason, end.attempts, end.errors[0].type) == ("deadline", 2, "HardTimeout")


def test_an_endless_message_is_cut() -> None:
    culprit = read_culprit([*VALUES[:3], "x" * 100_000, *VALUES[4:]])
    assert culprit is not None and len(culprit.error.message) == MAX_MESSAGE


@pytest.mark.parametrize(
    "values",
    [VALUES[:3], VALUES[:4], VALUES[:-1], [*VALUES, 1], ["id", *VALUES[1:]], [*VALUES[:8], "5"], [None] * 9],
)
def test_what_is_no_culprit_is_refused(values: list[object]) -> None:
    with pytest.raises(ValueError):
        read_culprit(values)


def test_a_token_that_is_none_of_ours_is_refused_at_the_settlement() -> None:
    culprit = read_culprit([VALUES[0], b"garbage", *VALUES[2:]])
    assert culprit is not None
    with pytest.raises(ValueError):
        culprit.settlement(b"payload", 1, 0.0)
