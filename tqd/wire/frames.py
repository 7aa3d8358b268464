"""Frames on the pipes between the master and its children: 4 bytes of length, then a msgpack map or array.

A frame is state, not user data: tuples become lists, enums their values, lone surrogates escapes. Pure;
whoever owns the descriptor reads and writes.
"""

from __future__ import annotations

from typing import Any

import msgpack

from tqd.errors import Malformed
from tqd.wire.packing import unpack, verify

MAX_FRAME_BYTES = 4096
"""Length and body. POSIX makes a write of so many bytes to a pipe all or nothing (PIPE_BUF on Linux)."""

MAX_ACCEPTED_BYTES = 64 * 1024
"""A body said to be longer means that the two ends are out of step, or that one is not ours."""

_LENGTH_BYTES = 4

Message = list[Any] | dict[Any, Any]


def encode_frame(message: Message) -> bytes:
    """Return the frame of a message.

    Raises ValueError when it is longer than `MAX_FRAME_BYTES`, TypeError for a value msgpack does not know.
    """
    body: bytes = msgpack.packb(message, unicode_errors="backslashreplace")
    size = _LENGTH_BYTES + len(body)
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"the frame is {size:,} bytes, limit {MAX_FRAME_BYTES:,}; send less at once")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class FrameReader:
    """Makes messages out of a pipe's bytes, however they are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._broken = ""

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete now.

        Raises Malformed when a length exceeds `MAX_ACCEPTED_BYTES` or a body is no map or array. The place in
        the stream is lost then: the reader is of no use any more and raises again at every call.
        """
        if self._broken:
            raise Malformed(self._broken)
        self._buffer += data
        try:
            return self._complete()
        except Malformed as error:
            self._buffer.clear()
            self._broken = f"frame: {error}"
            raise Malformed(self._broken) from None

    def _complete(self) -> list[Message]:
        messages: list[Message] = []
        buffer, start = self._buffer, 0
        while len(buffer) - start >= _LENGTH_BYTES:
            body = start + _LENGTH_BYTES
            length = int.from_bytes(buffer[start:body], "big")
            if length > MAX_ACCEPTED_BYTES:
                raise Malformed(f"a length of {length:,} bytes, limit {MAX_ACCEPTED_BYTES:,}")
            if len(buffer) < body + length:
                break
            messages.append(_message(bytes(buffer[body : body + length])))
            start = body + length
        del buffer[:start]
        return messages


def _message(body: bytes) -> Message:
    message = unpack(body, MAX_ACCEPTED_BYTES, str_keys=False)
    if type(message) is not list and type(message) is not dict:
        raise Malformed(f"expected a map or an array, got {type(message).__name__}")
    verify(message)
    return message
