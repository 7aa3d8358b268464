"""Data in parts: whole, or nothing."""

from __future__ import annotations

import pytest

from tqd.wire.messages import Remember, encode_message
from tqd.wire.parts import MOST_PARTS, PART_BYTES, Whole, parted


def put_together(messages: list[Remember], whole: Whole | None = None) -> list[bytes]:
    whole = whole or Whole()
    return [data for message in messages if (data := whole.take(message)) is not None]


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, MOST_PARTS * PART_BYTES])
def test_what_is_parted_is_put_together(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    assert put_together(parted(data)) == [data]


def test_each_part_fits_into_a_frame() -> None:
    assert all(len(encode_message(message)) <= 4096 for message in parted(b"\xff" * 20_000))


def test_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match="it is at most 112000"):
        parted(b"x" * (MOST_PARTS * PART_BYTES + 1))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_with_a_part_missing_there_is_nothing_and_the_next_whole_is_complete(missing: int) -> None:
    first, second = parted(b"a" * 10_000), parted(b"b" * 10_000)
    del first[missing]
    assert put_together(first + second) == [b"b" * 10_000]


def test_a_beginning_ends_what_was_begun_before() -> None:
    assert put_together(parted(b"a" * 10_000)[:2] + parted(b"b")) == [b"b"]
