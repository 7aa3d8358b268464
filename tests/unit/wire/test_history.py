"""The error history as bytes."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest

from tqd.task.history import PastError
from tqd.wire.history import HISTORY_BYTES, decode_history, encode_past

PAST = PastError(
    attempt=3,
    failed_ms=1_700_000_000_000,
    reason="raised",
    type="ValueError",
    message="é",
    place="a.py:1 in f",
)
OLDER = replace(PAST, attempt=2, message="older")


def test_the_newest_comes_first() -> None:
    assert decode_history(encode_past(PAST) + encode_past(OLDER)) == (PAST, OLDER)
    assert decode_history(b"") == ()


@pytest.mark.parametrize("left", [0, 1, 5, 20])
def test_an_attempt_that_was_cut_off_is_left_out(left: int) -> None:
    assert decode_history(encode_past(PAST) + encode_past(OLDER)[:left]) == (PAST,)


def test_five_attempts_with_the_longest_texts_fit() -> None:
    long = replace(PAST, type="T" * 900, message="m" * 9000, place="p" * 900)
    assert 5 * len(encode_past(long)) <= HISTORY_BYTES


def test_some_thirty_usual_attempts_fit() -> None:
    usual = replace(
        PAST, message="connection refused by billing:443", place="/srv/shop/tasks.py:41 in charge"
    )
    assert 30 * len(encode_past(usual)) <= HISTORY_BYTES


def test_a_text_that_utf_8_cannot_carry_is_escaped() -> None:
    assert decode_history(encode_past(replace(PAST, message="\ud800")))[0].message == "\\ud800"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xc1",
        b"\x90",
        msgpack.packb([1, 2, 3, 4, 5, 6]),
        msgpack.packb({}),
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 9999,
    ],
    ids=lambda data: repr(data[:8]),
)
def test_bytes_of_somebody_else_end_the_history(garbage: bytes) -> None:
    assert decode_history(encode_past(PAST) + garbage + encode_past(OLDER)) == (PAST,)


def test_of_a_history_without_end_a_part_is_read() -> None:
    assert len(decode_history(encode_past(PAST) * 100_000)) <= 1000
