"""Frames on the pipes of the master's children."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from tqd.errors import Malformed
from tqd.wire.frames import MAX_ACCEPTED_BYTES, MAX_FRAME_BYTES, FrameReader, encode_frame


def test_a_frame_is_its_length_and_its_body() -> None:
    assert encode_frame(["ready", 7]) == b"\x00\x00\x00\x08\x92\xa5ready\x07"


def test_frames_come_out_in_order_however_the_bytes_are_cut() -> None:
    data = encode_frame({"beat": 1}) + encode_frame(["a", {"b": [None]}])
    reader = FrameReader()
    messages = [message for byte in data for message in reader.feed(bytes((byte,)))]
    assert messages == [{"beat": 1}, ["a", {"b": [None]}]]
    assert FrameReader().feed(data) == messages


def test_nothing_comes_out_before_a_frame_is_complete() -> None:
    data = encode_frame(["ready"])
    reader = FrameReader()
    assert reader.feed(data[:-1]) == []
    assert reader.feed(b"") == []
    assert reader.feed(data[-1:]) == [["ready"]]


def test_a_map_may_have_numbers_as_keys() -> None:
    assert FrameReader().feed(encode_frame({"wait": {5: 1}})) == [{"wait": {5: 1}}]


def test_a_frame_fills_one_write_and_no_more() -> None:
    most = MAX_FRAME_BYTES - len(encode_frame([b""])) - 1  # from bin8 to bin16
    assert len(encode_frame([b"x" * most])) == MAX_FRAME_BYTES
    with pytest.raises(ValueError, match="the frame is 4,097 bytes, limit 4,096"):
        encode_frame([b"x" * (most + 1)])


def test_a_text_that_utf_8_cannot_carry_is_escaped() -> None:
    assert FrameReader().feed(encode_frame(["no file \udcff"])) == [["no file \\udcff"]]


def test_a_value_that_msgpack_does_not_know_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        encode_frame([object()])


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


BROKEN = {
    "too long": (MAX_ACCEPTED_BYTES + 1).to_bytes(4, "big"),
    "empty": frame(b""),
    "no msgpack": frame(b"\xc1"),
    "cut short": frame(b"\x92\x01"),
    "a bare number": frame(b"\x01"),
    "an ext type of nobody": frame(msgpack.packb([msgpack.ExtType(99, b"")])),
    "a timestamp": frame(msgpack.packb([msgpack.Timestamp(1)])),
    "a key that is a list": frame(b"\x81\x90\x01"),
    "deep": frame(b"\x91" * 100 + b"\x01"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_frame_is_malformed_and_so_is_all_that_follows(data: bytes) -> None:
    reader = FrameReader()
    with pytest.raises(Malformed, match=r"^frame: "):
        reader.feed(data)
    with pytest.raises(Malformed, match=r"^frame: "):
        reader.feed(encode_frame(["ready"]))


def test_a_body_up_to_64_kib_is_read() -> None:
    message: list[Any] = ["x" * 60_000]
    assert FrameReader().feed(frame(msgpack.packb(message))) == [message]
