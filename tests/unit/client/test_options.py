"""What may be said of a task where it is declared or enqueued."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tqd.client.options import LONGEST_S, placement, retry_rules, task_options
from tqd.errors import RegistrationError
from tqd.task.model import NO_OPTIONS, TaskOptions
from tqd.task.verdict import ALL_ERRORS

NOTHING: dict[str, Any] = dict.fromkeys(
    ("queue", "max_retries", "timeout", "retry_delay", "max_retry_delay", "result_ttl", "hard_timeout")
)
DURATIONS = ("timeout", "retry_delay", "max_retry_delay", "result_ttl", "hard_timeout")


def options(**given: Any) -> TaskOptions:
    return task_options(**(NOTHING | given))


def test_nothing_said_is_no_options() -> None:
    assert options() == NO_OPTIONS


def test_durations_are_seconds_or_timedeltas() -> None:
    given = options(timeout=5, result_ttl=timedelta(hours=1))
    assert given == TaskOptions(timeout_s=5.0, result_ttl_s=3600.0)


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [-1, -0.001, LONGEST_S + 1, math.nan, math.inf, "5", timedelta(-1)])
def test_a_duration_that_is_none_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(RegistrationError, match=rf"^{name} is .*from 0 to ten years"):
        options(**{name: value})


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [0, 0.0, LONGEST_S, timedelta(0)])
def test_the_bounds_of_a_duration_belong_to_it(name: str, value: Any) -> None:
    assert getattr(options(**{name: value}), f"{name}_s") is not None


@pytest.mark.parametrize("name", ["expires", "deadline"])
def test_a_clock_is_a_duration_or_a_moment_with_a_zone(name: str) -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    assert getattr(options(**{name: timedelta(minutes=1)}), f"{name}_s") == 60.0
    assert getattr(options(**{name: 0}), f"{name}_s") == 0.0
    assert getattr(options(**{name: moment}), f"{name}_s") == moment.timestamp()


@pytest.mark.parametrize("name", ["expires", "deadline"])
@pytest.mark.parametrize("value", [-1, LONGEST_S + 1, math.nan, "5", timedelta(-1), datetime(2030, 1, 1)])
def test_a_clock_that_is_neither_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(RegistrationError, match=rf"^{name} is .*or a datetime with a zone"):
        options(**{name: value})


@pytest.mark.parametrize("value", [-1, 10_001, 1.5, True, "3"])
def test_retries_are_a_whole_number(value: Any) -> None:
    with pytest.raises(RegistrationError, match=r"max_retries is .*from 0 to 10000"):
        options(max_retries=value)


@pytest.mark.parametrize("value", [0, 10_000])
def test_the_bounds_of_retries_belong_to_them(value: int) -> None:
    assert options(max_retries=value).max_retries == value


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a{b", "q\n", "ü", "x" * 65])
def test_a_queue_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(RegistrationError, match=r"is no queue name"):
        options(queue=name)


@pytest.mark.parametrize("name", ["a", "high_priority", "a.b-c_D9", "x" * 64])
def test_queue_names_are_short_and_plain(name: str) -> None:
    assert options(queue=name).queue == name


def test_a_placement_is_in_ms() -> None:
    eta = datetime(2030, 1, 1, tzinfo=UTC)
    assert placement(NO_OPTIONS, 1.5, None, None).delay_ms == 1500
    assert placement(NO_OPTIONS, None, eta, None).eta_ms == int(eta.timestamp()) * 1000
    assert placement(NO_OPTIONS, None, datetime(1900, 1, 1, tzinfo=UTC), None).eta_ms == 1


def test_two_times_contradict() -> None:
    with pytest.raises(RegistrationError, match="delay and eta are both given"):
        placement(NO_OPTIONS, 1, datetime(2030, 1, 1, tzinfo=UTC), None)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(RegistrationError, match="has no time zone"):
        placement(NO_OPTIONS, None, datetime(2030, 1, 1), None)


def test_a_delay_that_is_none_is_refused() -> None:
    with pytest.raises(RegistrationError, match=r"^delay is -1"):
        placement(NO_OPTIONS, -1, None, None)


@pytest.mark.parametrize("headers", [{"a": 1}, {1: "a"}, [("a", "b")], "ab"])
def test_headers_that_are_no_texts_are_refused(headers: Any) -> None:
    with pytest.raises(RegistrationError, match=r"headers are .*a dict of text by text"):
        placement(NO_OPTIONS, None, None, headers)


def test_headers_travel_as_they_are() -> None:
    assert placement(NO_OPTIONS, None, None, {"a": "b"}).headers == {"a": "b"}
    assert placement(NO_OPTIONS, None, None, {}).headers == {}


def test_rules_of_retries_are_given_as_types() -> None:
    rules = retry_rules([ConnectionError, TimeoutError], ValueError)
    assert (rules.retry_on, rules.give_up_on) == ((ConnectionError, TimeoutError), (ValueError,))
    assert retry_rules(None, None) is ALL_ERRORS


@pytest.mark.parametrize("given", ["ValueError", int, [ValueError, 1]])
def test_rules_of_something_else_are_refused(given: Any) -> None:
    with pytest.raises(RegistrationError, match=r"give_up_on has .*: it is an exception type"):
        retry_rules(None, given)
