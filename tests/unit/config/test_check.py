"""One value against one setting."""

from __future__ import annotations

import pytest

from tqd.config.check import Unfit, checked, from_text
from tqd.config.table import BY_KEY

URLS = [
    "redis://127.0.0.1:6379",
    "redis://localhost",
    "redis://localhost/",
    "redis://user:p%40ss@host:6380/15",
    "redis://:p@[::1]:6379/0",
    "rediss://redis.example.com:6380/0?ssl_cert_reqs=none",
    "unix:///run/redis.sock",
    "unix:///run/redis.sock?db=3",
]

WRONG = [
    ("redis.url", "http://localhost"),
    ("redis.url", "localhost:6379"),
    ("redis.url", "redis://"),
    ("redis.url", "redis://h:port"),
    ("redis.url", "redis://h:0"),
    ("redis.url", "redis://h:99999"),
    ("redis.url", "redis://h/db"),
    ("redis.url", "redis://:a#b@h"),
    ("redis.url", "redis://h /0"),
    ("redis.url", "unix://"),
    ("redis.url", "unix://run/redis.sock"),
    ("redis.url", ""),
    ("redis.url", 6379),
    ("redis.namespace", ""),
    ("redis.namespace", "a{b}"),
    ("redis.namespace", "a\n"),
    ("redis.namespace", "n" * 65),
    ("redis.command_timeout", 0),
    ("redis.command_timeout", float("nan")),
    ("redis.command_timeout", float("inf")),
    ("redis.command_timeout", 10**400),
    ("redis.command_timeout", True),
    ("redis.command_timeout", "5"),
    ("redis.embedded", 1),
    ("redis.embedded", "true"),
    ("redis.data_dir", "a\0b"),
    ("workers.initial_count", -1),
    ("workers.initial_count", 1025),
    ("workers.initial_count", 2.0),
    ("workers.initial_count", True),
    ("workers.orphan_grace_period", 4.1),
    ("tasks.app", "module"),
    ("tasks.app", "module:"),
    ("tasks.app", ":tq"),
    ("tasks.app", "a b:tq"),
    ("tasks.modules", "shop"),
    ("tasks.modules", ["shop..tasks"]),
    ("tasks.modules", [1]),
    ("queues.names", []),
    ("queues.names", ["a", "a"]),
    ("queues.names", ["a b"]),
    ("queues.names", [f"q{number}" for number in range(65)]),
    ("security.max_payload_size_mb", 0),
    ("security.max_payload_size_mb", 64.1),
    ("logging.level", "loud"),
    ("logging.level", ""),
]


@pytest.mark.parametrize("url", URLS)
def test_a_good_url_is_taken_as_it_is(url: str) -> None:
    assert checked(BY_KEY["redis.url"], url) == url


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_value_outside_the_rule_is_refused_with_the_rule(key: str, value: object) -> None:
    with pytest.raises(Unfit, match=r"^must "):
        checked(BY_KEY[key], value)


@pytest.mark.parametrize("edge", [0, 1024])
def test_both_ends_of_a_range_are_inside(edge: int) -> None:
    assert checked(BY_KEY["workers.initial_count"], edge) == edge


def test_a_whole_number_is_good_for_a_duration() -> None:
    value = checked(BY_KEY["node.lease"], 20)
    assert (value, type(value)) == (20.0, float)


def test_a_list_becomes_a_tuple_in_its_order() -> None:
    assert checked(BY_KEY["queues.names"], ["b", "a"]) == ("b", "a")


def test_a_name_that_is_there_twice_is_named() -> None:
    with pytest.raises(Unfit, match="mail is there twice"):
        checked(BY_KEY["queues.names"], ["mail", "x", "mail"])


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("redis.embedded", "TRUE", True),
        ("redis.embedded", "0", False),
        ("redis.embedded", " off ", False),
        ("workers.initial_count", " 4 ", 4),
        ("node.lease", "1e1", 10.0),
        ("queues.names", "a, b,", ("a", "b")),
        ("tasks.modules", "", ()),
        ("tasks.app", "shop.tasks:tq", "shop.tasks:tq"),
        ("logging.level", "WARN", "warn"),
    ],
)
def test_text_is_read_as_the_kind_of_the_setting(key: str, text: str, value: object) -> None:
    assert from_text(BY_KEY[key], text) == value


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("redis.embedded", "maybe"),
        ("workers.initial_count", ""),
        ("workers.initial_count", "four"),
        ("workers.initial_count", "2.0"),
        ("workers.initial_count", "1_0"),
        ("workers.initial_count", "9" * 5000),
        ("node.lease", "nan"),
        ("node.lease", "1.2.3"),
        ("node.lease", "1e999"),
        ("queues.names", " , "),
        ("daemon.runtime_dir", "a\udcff"),
    ],
)
def test_text_that_is_not_of_the_kind_is_refused(key: str, text: str) -> None:
    with pytest.raises(Unfit, match=r"^must "):
        from_text(BY_KEY[key], text)
