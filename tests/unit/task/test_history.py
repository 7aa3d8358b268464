"""What is kept of a failed attempt."""

from __future__ import annotations

from tqd.task.history import past_error, place_of
from tqd.task.outcome import ErrorInfo, describe


def test_the_innermost_line_of_a_traceback_is_the_place() -> None:
    def fail() -> None:
        raise ValueError("no")

    try:
        fail()
    except ValueError as error:
        (info,) = describe(error)
    kept = past_error(2, 99, "raised", info)
    assert (kept.attempt, kept.failed_ms, kept.reason) == (2, 99, "raised")
    assert (kept.type, kept.message) == ("ValueError", "no")
    assert "test_history.py:" in kept.place and kept.place.endswith(" in fail")


def test_without_a_traceback_there_is_no_place() -> None:
    error = ErrorInfo(type="TimeoutError", message="late", traceback="")
    assert past_error(1, 9, "timed out", error).place == ""


def test_a_line_outside_of_functions_is_a_place() -> None:
    assert place_of('Traceback …\n  File "a.py", line 3\n') == "a.py:3"
