"""What master and children tell each other."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from tqd.errors import Malformed
from tqd.wire.frames import FrameReader
from tqd.wire.messages import MAX_TEXT, Drain, Failed, Message, decode_message, encode_message

VALUES: dict[Any, Any] = {
    int: 5,
    float: 0.5,
    str: "Traceback …",
    dict[int, int]: {7: 1, 90: 2},
    list[list[int]]: [[3, 4], [0, 0]],
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
