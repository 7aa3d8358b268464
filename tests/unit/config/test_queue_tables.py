"""Limits and weights by queue: what is accepted, and what is said of what is not."""

from __future__ import annotations

from typing import Any

import pytest

from tqd.config.parse import parse
from tqd.config.queue_tables import limits, weights
from tqd.errors import ConfigError
from tqd.task.queue_limit import QueueLimit


def test_a_queue_has_the_limits_that_its_table_names_and_no_others() -> None:
    table = {"push": {"concurrency": 5}, "mail": {"max_depth": 50_000, "rate": "10/s", "burst": 20}}
    assert limits(table) == (
        QueueLimit(queue="mail", max_depth=50_000, rate_per_s=10.0, burst=20),
        QueueLimit(queue="push", concurrency=5),
    )


def test_limits_of_keys_stand_beside_those_of_the_queue() -> None:
    table = {"mail": {"key_concurrency": 2, "key_rate": "60/m", "key_burst": 3}}
    assert limits(table) == (QueueLimit(queue="mail", key_concurrency=2, key_rate_per_s=1.0, key_burst=3),)


@pytest.mark.parametrize(
    ("rate", "per_s"),
    [("10/s", 10.0), ("600/m", 10.0), ("9/h", 0.0025), (3, 3.0), (0.5, 0.5), (0, 0.0), (" 1.5/s ", 1.5)],
)
def test_a_rate_is_told_per_second_minute_or_hour(rate: object, per_s: float) -> None:
    (limit,) = limits({"mail": {"rate": rate}})
    assert limit.rate_per_s == per_s


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ([], "must be a table by queue"),
        ({"a b": {}}, "'a b' is none"),
        ({"x" * 65: {}}, "must name queues"),
        ({f"q{n}": {} for n in range(65)}, "at most 64 queues"),
        ({"mail": 5}, "mail must be a table of max_depth, concurrency, rate, burst"),
        ({"mail": {"max_dept": 5}}, "mail.max_dept is no limit; did you mean max_depth?"),
        ({"mail": {"colour": 5}}, "mail.colour is no limit; there are max_depth,"),
        ({"mail": {"max_depth": -1}}, "mail.max_depth must be a whole number, 0 to 1,000,000,000"),
        ({"mail": {"max_depth": 1.5}}, "mail.max_depth must be a whole number"),
        ({"mail": {"max_depth": True}}, "mail.max_depth must be a whole number"),
        ({"mail": {"concurrency": 1001}}, "mail.concurrency must be a whole number, 0 to 1,000"),
        ({"mail": {"rate": "10"}}, 'mail.rate must be like "10/s"'),
        ({"mail": {"rate": "10/d"}}, 'mail.rate must be like "10/s"'),
        ({"mail": {"rate": -1}}, "mail.rate must be"),
        ({"mail": {"rate": 1e300}}, "mail.rate must be"),
        ({"mail": {"rate": 10**400}}, "mail.rate must be"),
        ({"mail": {"rate": float("nan")}}, "mail.rate must be"),
        ({"mail": {"rate": "0.001/h"}}, "mail.rate must be"),
        ({"mail": {"burst": 5}}, "mail.burst must be a whole number"),
        ({"mail": {"key_burst": 5, "rate": 5}}, "mail.key_burst must be a whole number"),
        ({"mail": {"key_rate": "often"}}, 'mail.key_rate must be like "10/s"'),
        ({"mail": {"key_concurrency": 1001}}, "mail.key_concurrency must be a whole number, 0 to 1,000"),
        ({"mail": {"key_max_depth": 5}}, "mail.key_max_depth is no limit; did you mean"),
    ],
)
def test_a_limit_that_cannot_be_is_named_with_its_rule(table: Any, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse([("my.toml", {"queues": {"limits": table}})], {}, {}, 2)
    (problem,) = caught.value.problems
    assert problem.key == "queues.limits" and rule in problem.rule


@pytest.mark.parametrize("weight", [0, -1, "3", True, 1001, float("nan")])
def test_a_weight_is_a_number_above_nothing(weight: object) -> None:
    with pytest.raises(ValueError, match=r"mail must be a number, 0\.001 to 1000"):
        weights({"mail": weight})


def test_weights_replace_those_of_the_default() -> None:
    config = parse([("my.toml", {"queues": {"weights": {"mail": 5}}})], {}, {}, 2)
    assert [str(weight) for weight in config.queues.weights] == ["mail 5"]


@pytest.mark.parametrize("text", ["mail=5", "{", "[" * 100_000, '"mail"'])
def test_a_variable_that_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse([], {"TQD_QUEUES__LIMITS": text}, {}, 2)


def test_a_table_of_a_queue_in_the_wrong_place_is_told_where_it_belongs() -> None:
    with pytest.raises(ConfigError) as caught:
        parse([("my.toml", {"queues": {"mail": {"max_depth": 5}}})], {}, {}, 2)
    assert caught.value.problems[0].hint == "limits are in [queues.limits.mail]"
