"""Exceptions as text."""

from __future__ import annotations

import pytest

from tqd.task.outcome import MAX_CHAIN, MAX_MESSAGE, MAX_TRACEBACK, describe


class Silent(Exception):
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error("in __str__")


class Wordless(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def test_an_exception_is_its_type_message_and_traceback() -> None:
    (info,) = describe(raised(ValueError("no")))
    assert (info.type, info.message) == ("ValueError", "no")
    assert info.traceback.startswith("Traceback") and info.traceback.endswith("ValueError: no\n")


def test_a_type_is_named_with_its_module() -> None:
    (info,) = describe(Silent(ValueError))
    assert info.type.endswith("test_outcome.Silent")


def test_a_chain_starts_with_what_was_raised_and_ends_with_the_first_cause() -> None:
    error = raised(RuntimeError("top"), raised(ValueError("middle"), KeyError("root")))
    assert [info.message for info in describe(error)] == ["top", "middle", "'root'"]


def test_each_link_has_its_own_traceback_only() -> None:
    top, _ = describe(raised(RuntimeError("top"), raised(ValueError("below"))))
    assert "below" not in top.traceback


def test_what_was_being_handled_belongs_to_the_chain_unless_hidden() -> None:
    def fail(hide: bool) -> BaseException:
        try:
            try:
                raise ValueError("first")
            except ValueError:
                if hide:
                    raise RuntimeError("second") from None
                raise RuntimeError("second")  # noqa: B904
        except RuntimeError as error:
            return error

    assert [info.message for info in describe(fail(hide=False))] == ["second", "first"]
    assert [info.message for info in describe(fail(hide=True))] == ["second"]


def test_a_chain_that_bites_its_tail_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert [info.message for info in describe(one)] == ["one", "two"]


class Untrue(Exception):
    def __bool__(self) -> bool:
        raise SystemExit("asked whether it is true")

    def __getattribute__(self, name: str) -> object:
        raise SystemExit("asked for an attribute")


def test_no_code_of_an_exception_is_run_to_follow_its_chain() -> None:
    error = raised(RuntimeError("top"), raised(Untrue("middle"), KeyError("root")))
    names = [info.type.rpartition(".")[2] for info in describe(error)]
    assert names == ["RuntimeError", "Untrue", "KeyError"]


class Text(str):
    def isascii(self) -> bool:
        raise SystemExit


class Textual(Exception):
    def __str__(self) -> str:
        return Text("odd")


def test_a_message_is_plain_text_whatever_str_returns() -> None:
    (info,) = describe(Textual())
    assert (type(info.message), info.message) == (str, "odd")


def test_a_long_chain_is_cut() -> None:
    error: BaseException = ValueError(0)
    for number in range(1, 50):
        error = raised(ValueError(number), error)
    assert len(describe(error)) == MAX_CHAIN


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, RecursionError])
def test_an_exception_that_cannot_be_printed_is_described_all_the_same(error: type[BaseException]) -> None:
    (info,) = describe(raised(Silent(error)))
    assert info.message == "<Silent cannot be printed>"
    assert info.traceback


def test_a_message_that_is_no_text_is_described_all_the_same() -> None:
    assert describe(Wordless())[0].message == "<Wordless cannot be printed>"


def test_texts_are_bounded() -> None:
    (info,) = describe(raised(ValueError("x" * 100_000)))
    assert len(info.message) == MAX_MESSAGE
    assert len(info.traceback) == MAX_TRACEBACK


def test_a_group_is_one_link() -> None:
    (info,) = describe(raised(ExceptionGroup("both", [ValueError("a"), KeyError("b")])))
    assert info.type == "ExceptionGroup"
    assert "both" in info.message
