"""Limit keys: which values make one, and which."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from uuid import UUID

import pytest

from tqd.task.limit_key import LONGEST_KEY, LimitBy, is_key, key_of


class Plan(Enum):
    FREE = "free"
    BOTH = ("a", "b")


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("customer-42", "customer-42"),
        (42, "42"),
        (1.5, "1.5"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        (date(2026, 2, 3), "2026-02-03"),
        (datetime(2026, 2, 3, tzinfo=UTC), "2026-02-03 00:00:00+00:00"),
        (Plan.FREE, "free"),
        (Level.HIGH, "3"),
        ("ä" * LONGEST_KEY, "ä" * LONGEST_KEY),
        (None, ""),
        ("", ""),
    ],
)
def test_a_plain_value_is_a_key_as_its_text(value: object, key: str) -> None:
    assert key_of(value) == key


def test_a_long_text_has_a_short_key_of_its_own() -> None:
    one, other = key_of("x" * 201), key_of("x" * 202)
    assert one != other
    assert one == key_of("x" * 201)
    assert one.startswith("#") and is_key(one)


@pytest.mark.parametrize("value", [["a"], {"a": 1}, b"a", object(), Plan.BOTH])
def test_what_has_no_text_that_says_much_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is no limit key: a text"):
        key_of(value)


@pytest.mark.parametrize("value", ["", "x" * 201, 5, None, b"x", "\ud800"])
def test_what_somebody_gives_must_be_a_text_of_the_right_length(value: object) -> None:
    assert not is_key(value)


def test_a_parameter_that_is_left_out_has_its_default() -> None:
    by = LimitBy("customer", "nobody")
    assert (by.key({"customer": 5}), by.key({"other": 5})) == ("5", "nobody")
    with pytest.raises(TypeError, match="limit_by customer: a list is no limit key"):
        by.key({"customer": []})
