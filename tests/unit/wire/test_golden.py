"""Bytes of every version ever released: they must be read for ever.

A file that fails here means that a release would bury the tasks its predecessor left in Redis. Add files for
new versions; never change one. Hexadecimal, so that a difference can be read.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from tqd.task.history import PastError
from tqd.task.model import NO_OPTIONS, TaskOptions, TaskState
from tqd.wire.envelope import Envelope, decode_envelope, decode_value, encode_envelope, encode_value
from tqd.wire.records import FailureRecord, ResultRecord
from tqd.wire.signature import Signature

GOLDEN = Path(__file__).parent / "golden"

BERLIN = ZoneInfo("Europe/Berlin")
EXT_VALUES = [
    datetime(2024, 2, 29, 12, 30, 45, 678901),
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=timezone(-timedelta(hours=3, minutes=30))),
    datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
    date(2024, 2, 29),
    time(12, 30, 45, 678901, fold=1),
    time(12, tzinfo=BERLIN),
    timedelta(days=-1, microseconds=1),
    timedelta(days=400),
    UUID("12345678-1234-5678-1234-567812345678"),
    Decimal("-12.340"),
]

ENVELOPES = {
    "envelope_1_small": Envelope("shop.pay", [1, "a"], {}, "default", 1_700_000_000_000, NO_OPTIONS, {}),
    "envelope_1_full": Envelope(
        "shop.pay",
        [None, True, -1, 2**64 - 1, 1.5, "é", b"\xff", [[]], {"a": {b"b": 1}}],
        {"when": [1]},
        "high_priority",
        1_700_000_000_000,
        TaskOptions(
            queue="high_priority",
            max_retries=5,
            timeout_s=1.5,
            retry_delay_s=2.0,
            max_retry_delay_s=60.0,
            result_ttl_s=3600.0,
        ),
        {"traceparent": "00-0af7-b7ad-01"},
    ),
    "envelope_1_hard_timeout": Envelope(
        "shop.pay", [], {}, "default", 0, TaskOptions(timeout_s=20.0, hard_timeout_s=30.0), {}
    ),
    "envelope_1_clocks": Envelope(
        "shop.pay", [], {}, "default", 0, TaskOptions(expires_s=60.0, deadline_s=2e9, delay_s=1.5), {}
    ),
    "envelope_1_limit_key": Envelope(
        "shop.pay", [1], {}, "default", 1_700_000_000_000, NO_OPTIONS, {}, "customer é"
    ),
    "envelope_1_ext": Envelope("shop.pay", EXT_VALUES, {}, "default", 0, NO_OPTIONS, {}),
}

HISTORY = (
    PastError(
        attempt=2, failed_ms=1_700_000_000_000, reason="timed out", type="TimeoutError", message="é", place=""
    ),
    PastError(
        attempt=1,
        failed_ms=1_600_000_000_000,
        reason="raised",
        type="KeyError",
        message="'a'",
        place="a.py:1 in f",
    ),
)

RESULTS = {
    "result_1_done": ResultRecord(
        state=TaskState.DONE, value=encode_value({"a": Decimal(1)}), finished_ms=1_700_000_000_000
    ),
    "result_1_dead": ResultRecord(
        state=TaskState.DEAD, error_type="ValueError", error_message="no", finished_ms=1_700_000_000_000
    ),
    "result_1_cancelled": ResultRecord(
        state=TaskState.CANCELLED, error_message="obsolete", finished_ms=1_700_000_000_000
    ),
    "result_1_expired": ResultRecord(
        state=TaskState.EXPIRED, error_message="too late", finished_ms=1_700_000_000_000
    ),
}

FAILURE = FailureRecord(
    task_id=bytes(range(16)),
    envelope=b"\x95\x01",
    reason="timed out",
    errors=(("TimeoutError", "30 s", "Traceback …"), ("KeyError", "'é'", "")),
    attempts=4,
    failed_ms=1_700_000_000_000,
    worker="host-1-3",
)


def golden(name: str) -> bytes:
    return bytes.fromhex((GOLDEN / f"{name}.hex").read_text())


@pytest.mark.parametrize("name", ENVELOPES)
def test_an_envelope_of_version_1_is_read_and_written(name: str) -> None:
    expected = ENVELOPES[name]
    arrived = decode_envelope(golden(name))
    assert arrived == expected
    assert repr(arrived.args) == repr(expected.args)
    assert golden(name) == encode_envelope(
        expected.name,
        expected.args,
        expected.kwargs,
        expected.queue,
        expected.enqueued_ms,
        expected.options,
        expected.headers,
        limit_key=expected.limit_key,
    )


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_of_version_1_is_read_and_written(name: str) -> None:
    assert ResultRecord.decode(golden(name)) == RESULTS[name]
    assert RESULTS[name].encode() == golden(name)


def test_a_failure_of_version_1_is_read() -> None:
    assert FailureRecord.decode(golden("failure_1")) == FAILURE


def test_a_failure_of_version_2_is_read_and_written() -> None:
    expected = replace(FAILURE, history=HISTORY)
    assert FailureRecord.decode(golden("failure_2")) == expected
    assert expected.encode() == golden("failure_2")


def handler(
    pair: tuple[int, str], ids: set[UUID], days: dict[date, int], either: set[int] | list[int]
) -> None: ...


def test_annotated_values_of_version_1_are_read() -> None:
    assert Signature.of(handler).decode(decode_value(golden("annotated_1")), {}) == (
        [(1, "a"), {UUID(int=1)}, {date(2024, 2, 29): 1}, {1}],
        {},
    )
