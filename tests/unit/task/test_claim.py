"""Claims' tokens and what is remembered between claims."""

from __future__ import annotations

import pytest

from tqd.task.claim import Counts, parse_token


def test_a_token_says_its_counts_and_its_queue() -> None:
    counts, queue = parse_token(b"3:2:1:mail")
    assert (counts.fence, counts.attempts, counts.crashes, queue) == (3, 2, 1, "mail")


def test_a_queue_may_hold_what_separates_the_parts() -> None:
    assert parse_token(b"1:0:0:a:b:c")[1] == "a:b:c"


@pytest.mark.parametrize("token", [b"", b"x", b"1:2:3", b"a:0:0:q", b"1::0:q", b"1:0:0:\xff"])
def test_bytes_that_are_no_token_are_refused(token: bytes) -> None:
    with pytest.raises(ValueError):
        parse_token(token)


def test_any_number_of_digits_is_read_in_bounded_time() -> None:
    assert parse_token(b"9" * 100_000 + b":0:0:q")[0].fence > 0


def test_a_record_comes_back_in_the_next_token() -> None:
    counts = Counts(3, 2, 1)
    assert counts.record() == b"3:2:1"
    assert parse_token(counts.record() + b":q")[0].record() == counts.record()


def test_a_failure_and_a_crash_are_counted_apart() -> None:
    assert Counts(3, 2, 1).charged().record() == b"3:3:1"
    assert Counts(3, 2, 1).crashed().record() == b"3:2:2"
