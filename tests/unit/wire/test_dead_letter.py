"""Dead letters as values: read from any bytes, and chosen by a filter."""

from __future__ import annotations

import pytest

from tqd.wire.dead_letter import DeadFilter, DeadLetter, read_letter
from tqd.wire.envelope import encode_envelope
from tqd.wire.records import FailureRecord

IDENTITY = b"x" * 16


def record(envelope: bytes) -> bytes:
    return FailureRecord(
        task_id=IDENTITY,
        envelope=envelope,
        reason="raised",
        errors=(("shop.errors.Declined", "no funds", "Traceback …"), ("KeyError", "'a'", "")),
        attempts=4,
        failed_ms=1,
        worker="w",
    ).encode()


def letter(**fields: object) -> DeadLetter:
    known = {"id": "00", "failed_ms": 0, "name": "shop.tasks.pay", "queue": "default"}
    errors = (("shop.errors.Declined", "no", ""),)
    return DeadLetter(**(known | {"errors": errors} | fields))  # type: ignore[arg-type]


# -- reading --------------------------------------------------------------------------------------


def test_a_letter_says_what_its_record_and_its_envelope_say() -> None:
    envelope = encode_envelope("pay", [1, b"x"], {"to": "a"}, "high", 5)
    read = read_letter(IDENTITY, 7, record(envelope))
    assert (read.id, read.failed_ms, read.problem) == (IDENTITY.hex(), 7, "")
    assert (read.name, read.queue, read.enqueued_ms) == ("pay", "high", 5)
    assert (read.args, read.kwargs, read.envelope) == ([1, b"x"], {"to": "a"}, envelope)
    assert (read.reason, read.attempts, read.worker) == ("raised", 4, "w")
    assert (read.error_type, read.error_message) == ("shop.errors.Declined", "no funds")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "its record is missing"),
        (b"\xc1", "its record cannot be read"),
        (record(b"\xc1"), "its task cannot be read"),
        (record(b"\x92\x7f\xc0"), "upgrade"),
    ],
)
def test_whatever_the_bytes_are_there_is_a_letter_with_its_problem(data: bytes | None, problem: str) -> None:
    read = read_letter(IDENTITY, 7, data)
    assert problem in read.problem
    assert (read.id, read.failed_ms, read.name, read.queue) == (IDENTITY.hex(), 7, "", "")


def test_a_letter_that_is_printed_shows_no_arguments_and_no_payload() -> None:
    envelope = encode_envelope("pay", ["secret"], {"to": "secret"}, "high", 5)
    assert "secret" not in repr(read_letter(IDENTITY, 7, record(envelope)))


# -- choosing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "fits"),
    [
        ({}, True),
        ({"name": "shop.tasks.pay"}, True),
        ({"name": "shop.*"}, True),
        ({"name": "*.pa?"}, True),
        ({"name": "pay"}, False),
        ({"name": "SHOP.*"}, False),
        ({"queue": "default"}, True),
        ({"queue": "def"}, False),
        ({"error": "Declined"}, True),
        ({"error": "shop.errors.Declined"}, True),
        ({"error": "errors.Declined"}, False),
        ({"error": "Decl"}, False),
        ({"name": "shop.*", "queue": "other"}, False),
        ({"name": "shop.*", "queue": "default", "error": "Declined"}, True),
    ],
)
def test_a_letter_fits_when_all_that_is_said_fits(which: dict[str, str], fits: bool) -> None:
    assert DeadFilter(**which).matches(letter()) is fits  # type: ignore[arg-type]


def test_a_letter_without_errors_or_name_fits_only_those_who_do_not_ask() -> None:
    unreadable = letter(name="", queue="", errors=())
    assert DeadFilter().matches(unreadable)
    assert not DeadFilter(error="Declined").matches(unreadable)
    assert not DeadFilter(name="?*").matches(unreadable)


def test_ages_become_times_of_death() -> None:
    assert DeadFilter().span_ms(100_000) == (None, None)
    assert DeadFilter(older_than_s=10).span_ms(100_000) == (None, 90_000)
    assert DeadFilter(newer_than_s=1.5).span_ms(100_000) == (98_500, None)


def test_a_filter_says_what_it_means() -> None:
    assert (DeadFilter().is_empty, str(DeadFilter())) == (True, "all")
    which = DeadFilter(name="a.*", error="E", older_than_s=60)
    assert (which.is_empty, str(which)) == (False, "task a.*, error E, older than 60 s")
    assert not DeadFilter(older_than_s=0).is_empty
