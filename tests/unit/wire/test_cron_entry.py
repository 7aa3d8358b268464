"""A schedule's bytes: they come back as what they were, and nothing else is taken for one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgpack
import pytest

from tqd.errors import Malformed, UnsupportedVersion
from tqd.schedule.entry import CatchUp, Entry
from tqd.wire.cron_entry import decode_entry, encode_entry, entry_envelope, slot_of
from tqd.wire.envelope import decode_envelope

ENTRY = Entry(
    name="n", task="shop.report", queue="low", spec="0 3 * * *", tz="Europe/Vienna", catch_up=CatchUp.ONCE,
    catch_up_limit=5, held=b"dshop.report\0=k",
    args=[1, datetime(2026, 1, 1, tzinfo=UTC)], kwargs={"deep": {"a": [b"x"]}},
)  # fmt: skip
PARTS: list[Any] = [1, "t", "q", "every 1s", "UTC", "skip", 100, [], {}, b""]
SLOT = "2026-03-29T03:00:00.000+02:00"


def test_a_schedule_comes_back_as_it_was() -> None:
    assert decode_entry("n", encode_entry("shop:tq", ENTRY)) == ("shop:tq", ENTRY)


def test_the_bytes_of_version_1_stay_what_they_are() -> None:
    data = b"shop:tq\n\x9a\x01\xa1t\xa1q\xa8every 1s\xa3UTC\xa4skip\x64\x90\x80\xc4\x00"
    entry = Entry(name="n", task="t", queue="q", spec="every 1s", args=[], kwargs={})
    assert encode_entry("shop:tq", entry) == data
    assert decode_entry("n", data) == ("shop:tq", entry)


def test_a_schedule_may_have_a_limit_key_which_its_tasks_get() -> None:
    entry = replace(ENTRY, limit_key="customer-42")
    assert decode_entry("n", encode_entry("shop:tq", entry)) == ("shop:tq", entry)
    assert decode_envelope(entry_envelope(entry, 5, SLOT)).limit_key == "customer-42"
    assert decode_envelope(entry_envelope(ENTRY, 5, SLOT)).limit_key == ""


@pytest.mark.parametrize("more", [[""], [5], ["x" * 201], [b"k"], ["k", "k"]])
def test_what_is_no_limit_key_is_no_schedule(more: list[object]) -> None:
    with pytest.raises(Malformed, match="schedule:"):
        decode_entry("n", b"app\n" + msgpack.packb([*PARTS, *more]))


@pytest.mark.parametrize("data", [b"", b"\n", b"app", b"app\n", b"app\n\xc1", b"app\n\x80", b"app\n\x91\x01"])
def test_other_bytes_are_no_schedule(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_entry("n", data)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, 5), (1, ""), (2, None), (3, b"x"), (4, ""), (5, "never"), (5, 5), (5, []), (6, 0), (6, "1"),
        (6, 1001), (6, True), (7, {}), (8, []), (8, {b"a": 1}), (9, "d"), (9, b"x"), (9, None),
    ],
)  # fmt: skip
def test_each_field_is_looked_at(place: int, value: object) -> None:
    parts = [*PARTS]
    parts[place] = value
    with pytest.raises(Malformed, match="schedule:"):
        decode_entry("n", b"app\n" + msgpack.packb(parts))


def test_a_later_version_is_told_as_such() -> None:
    with pytest.raises(UnsupportedVersion, match="schedule is of version 2"):
        decode_entry("n", b"app\n" + msgpack.packb([2, "anything"]))


def test_a_fired_task_is_an_envelope_that_says_its_slot() -> None:
    envelope = decode_envelope(entry_envelope(ENTRY, 1234, SLOT))
    assert (envelope.name, envelope.queue, envelope.enqueued_ms) == ("shop.report", "low", 1234)
    assert (envelope.args, envelope.kwargs) == (list(ENTRY.args), dict(ENTRY.kwargs))
    assert slot_of(envelope.headers) == datetime.fromisoformat(SLOT)


def test_a_task_that_is_run_by_hand_has_no_slot() -> None:
    assert slot_of(decode_envelope(entry_envelope(ENTRY, 1234, "")).headers) is None
