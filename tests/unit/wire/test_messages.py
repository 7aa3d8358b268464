"""What master and children tell each other."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from tqd.errors import Malformed
from tqd.wire.frames import FrameReader
from tqd.wire.messages import (
    MAX_TEXT,
    Beat,
    Blocked,
    Drain,
    Failed,
    HardDeadline,
    Message,
    Sampled,
    decode_message,
    encode_message,
)

VALUES: dict[Any, Any] = {
    int: 5,
    float: 0.5,
    bool: True,
    str: "Traceback …",
    bytes: b"\x00\xff",
    dict[int, int]: {7: 1, 90: 2},
    list[int]: [2, 1, 7, 2500, -1],
    list[float]: [3, 1.0, 600.5, 0.0],
    list[object]: [b"id", b"1:0:0:default", "TimeoutError", "late", 3, 1.0],
    list[list[int]]: [[3, 4, -1, 9], [0, 0, 0, 0]],
    list[list[object]]: [["shop.mail", 3], ["é", 1]],
}


def example(kind: type[Message]) -> Message:
    """Return a message of a kind, with a value for each field."""
    return kind(*(VALUES[hint] for hint in typing.get_type_hints(kind).values()))


MESSAGES = [example(kind) for kind in typing.get_args(Message)]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    (frame,) = FrameReader().feed(encode_message(message))
    assert decode_message(frame) == message


@pytest.mark.parametrize("frame", [None, 5, "x", {}, [], [-1], [99], ["Ready", "x", 1], [None], [[]]])
def test_what_is_no_message_is_refused(frame: object) -> None:
    with pytest.raises(Malformed):
        decode_message(frame)


def test_a_message_with_fields_too_many_or_too_few_is_refused() -> None:
    (frame,) = FrameReader().feed(encode_message(Drain(1.0)))
    assert isinstance(frame, list)
    with pytest.raises(Malformed, match="a Drain has 1 fields, this one 0"):
        decode_message(frame[:1])
    with pytest.raises(Malformed, match="a Drain has 1 fields, this one 2"):
        decode_message([*frame, 4])


def test_a_text_of_the_stated_length_fits_into_a_frame() -> None:
    assert encode_message(Failed(78, "x" * MAX_TEXT))
    with pytest.raises(ValueError, match="limit"):
        encode_message(Failed(78, "x" * 5000))


WIDE = "\U0001f600"
POLICY = [10_000.0, 3.2e8, 3.2e8, 3.2e8]
TOKEN = b"%d:%d:%d:%s" % (10**15, 10**4, 10**4, b"q" * 64)
COUNT = 2**60
LARGEST = [
    Beat(
        slots=COUNT, busy=COUNT, done=COUNT, failed=COUNT, retried=COUNT, released=COUNT, superseded=COUNT,
        discarded=COUNT,
        expired=COUNT,
        lag_ms=1e9, rss_bytes=COUNT, oldest_s=1e9, claiming=False, names=[[WIDE * 100, 10_000]] * 5,
        busy_slot_s=1e9, slot_s=1e9,
    ),
    HardDeadline(bytes(16), TOKEN, WIDE * 100, 3.2e8, 3.2e8, POLICY),
    Blocked(bytes(16), TOKEN, WIDE * 100, WIDE * 500, POLICY),
    Sampled([[*[COUNT] * 6, 2**32 - 1, 1]] * 64, COUNT, COUNT, COUNT, [COUNT] * 5, 1e9, 2**32 - 1),
]  # fmt: skip


@pytest.mark.parametrize("message", LARGEST, ids=lambda message: type(message).__name__)
def test_the_largest_of_what_is_sent_regularly_fits_into_a_frame(message: Message) -> None:
    (frame,) = FrameReader().feed(encode_message(message))
    assert decode_message(frame) == message
