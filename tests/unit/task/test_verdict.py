"""What an exception means for the task."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tqd.errors import Discard, Retry
from tqd.task.outcome import Discarded, Raised, RetryAsked
from tqd.task.verdict import ALL_ERRORS, RetryRules, error_types, verdict


def lurking() -> type[Exception]:
    """Return an exception type whose every attribute is a trap; pytest itself must not meet it."""

    class Hostile(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            raise SystemExit

        def __subclasscheck__(cls, subclass: Any) -> bool:
            raise SystemExit

        def __eq__(cls, other: object) -> bool:
            raise SystemExit

        def __hash__(cls) -> int:
            raise SystemExit

        def __getattribute__(cls, name: str) -> Any:
            raise SystemExit

    class Lurking(Exception, metaclass=Hostile):
        def __getattribute__(self, name: str) -> Any:
            raise SystemExit

    return Lurking


@pytest.mark.parametrize(
    ("kind", "final"), [(ValueError, False), (ConnectionError, True), (ConnectionResetError, True)]
)
def test_what_is_given_up_on_is_final_with_its_subclasses(kind: type[BaseException], final: bool) -> None:
    assert RetryRules(give_up_on=(ConnectionError,)).final(kind) is final


@pytest.mark.parametrize(
    ("kind", "final"), [(ValueError, True), (ConnectionError, False), (ConnectionResetError, False)]
)
def test_only_what_is_retried_on_is_tried_again(kind: type[BaseException], final: bool) -> None:
    assert RetryRules(retry_on=(ConnectionError,)).final(kind) is final


def test_giving_up_wins() -> None:
    rules = RetryRules(retry_on=(ConnectionResetError,), give_up_on=(OSError,))
    assert rules.final(ConnectionResetError)


def test_without_rules_everything_is_tried_again() -> None:
    assert not any(ALL_ERRORS.final(kind) for kind in (ValueError, SystemExit, BaseException))


def test_with_nothing_to_retry_on_nothing_is() -> None:
    assert RetryRules(retry_on=()).final(ValueError)


def test_no_code_of_an_exceptions_class_is_run() -> None:
    kind = lurking()
    outcome = verdict(kind(), RetryRules(retry_on=(ValueError,), give_up_on=(kind,)))
    assert isinstance(outcome, Raised) and outcome.final
    assert outcome.chain[0].type.endswith("Lurking")


@pytest.mark.parametrize(
    ("delay", "delay_s"), [(None, None), (0, 0.0), (7, 7.0), (0.5, 0.5), (timedelta(minutes=1), 60.0)]
)
def test_a_retry_is_asked_for_whatever_the_rules_say(delay: Any, delay_s: float | None) -> None:
    outcome = verdict(Retry(delay, reason="later"), RetryRules(give_up_on=(Exception,)))
    assert isinstance(outcome, RetryAsked)
    assert (outcome.delay_s, outcome.spend) == (delay_s, False)
    assert outcome.chain[0].message.endswith(": later")


def test_a_retry_keeps_its_cause() -> None:
    error = Retry(1, spend=True)
    error.__cause__ = ValueError("429")
    outcome = verdict(error, ALL_ERRORS)
    assert isinstance(outcome, RetryAsked) and outcome.spend
    assert outcome.chain[1].message == "429"


def test_a_discard_has_its_reason() -> None:
    assert verdict(Discard("obsolete"), ALL_ERRORS) == Discarded("obsolete")
    assert verdict(Discard(), ALL_ERRORS) == Discarded("")


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), 1e12, timedelta(days=-1)])
def test_a_retry_with_a_delay_that_is_none_cannot_be_made(delay: Any) -> None:
    with pytest.raises(ValueError, match=r"the delay of a Retry is .*: it is seconds or a timedelta"):
        Retry(delay)


class Unmade(Retry):
    def __init__(self) -> None:
        pass  # no delay, no reason


class Worse(Discard):
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit


@pytest.mark.parametrize("kind", [Unmade, Worse])
def test_a_signal_that_was_not_made_as_one_is_an_error(kind: type[BaseException]) -> None:
    assert isinstance(verdict(kind(), ALL_ERRORS), Raised)


def test_a_delay_that_was_changed_to_nonsense_is_an_error() -> None:
    error = Retry(1)
    error.delay_s = float("inf")
    assert isinstance(verdict(error, ALL_ERRORS), Raised)


def test_a_signal_in_a_group_is_an_error() -> None:
    assert isinstance(verdict(ExceptionGroup("g", [Retry(1)]), ALL_ERRORS), Raised)


def test_types_are_given_as_one_or_as_several() -> None:
    assert error_types("retry_on", ValueError) == (ValueError,)
    assert error_types("retry_on", [ValueError, OSError]) == (ValueError, OSError)
    assert error_types("retry_on", ()) == ()


@pytest.mark.parametrize("given", ["ValueError", ValueError("x"), [int], 5, [ValueError, None]])
def test_what_is_no_exception_type_is_named(given: object) -> None:
    with pytest.raises(ValueError, match=r"retry_on has .*: it is an exception type, or several of them"):
        error_types("retry_on", given)
