"""What a message may show of a value."""

from __future__ import annotations

import pytest

from tqd.config.redact import redacted, shown, shown_for


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:pw@h:6379/0", "redis://:***@h:6379/0"),
        ("redis://me:pw@h", "redis://me:***@h"),
        ("redis://token@h", "redis://***@h"),
        ("REDISS://me:p/w@d#@h", "REDISS://me:***@h"),
        ("me:pw@h:6379", "me:***@h:6379"),
        ("redis://me:p\nw@h", "redis://me:***@h"),
        ("unix:///s.sock?password=pw&db=1", "unix:///s.sock?password=***&db=1"),
    ],
)
def test_a_password_is_taken_out(url: str, safe: str) -> None:
    assert redacted(url) == safe


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "'a b'"),
        (True, "true"),
        (1.5, "1.5"),
        (["redis://:pw@h", 1], "['redis://:***@h', 1]"),
        (list(range(9)), "[0, 1, 2, 3, 4, 5, 6, 7, …]"),
        ({"password": "pw"}, "a table"),
        pytest.param(1 << 20_000, "a number of 20001 bits", id="large"),
        ("x" * 100, "'" + "x" * 78 + "…"),
    ],
)
def test_a_value_is_shown_quoted_and_cut(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize("name", ["redis.password", "TQD_REDIS__PASS", "api_token"])
def test_the_value_of_a_name_that_sounds_secret_is_hidden(name: str) -> None:
    assert shown_for(name, "pw") == "***"
