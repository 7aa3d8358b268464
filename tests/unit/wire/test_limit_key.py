"""The limit key in an envelope: at its end, and nowhere in that of a task without one."""

from __future__ import annotations

import pytest

from tqd.errors import Malformed
from tqd.task.model import NO_OPTIONS
from tqd.wire.envelope import decode_envelope, encode_envelope
from tqd.wire.limit_key import decode_limit_key, encode_limit_key
from tqd.wire.packing import pack


@pytest.mark.parametrize("key", ["a", "customer-42", "ü" * 200, "𝄞" * 200, "a:b\0c"])
def test_a_key_is_read_as_it_was_written(key: str) -> None:
    envelope = encode_envelope("job", [1], {}, "default", 5, limit_key=key)
    task = decode_envelope(envelope)
    assert (task.limit_key, task.args, task.options, task.headers) == (key, [1], NO_OPTIONS, {})
    raw = key.encode()
    assert envelope[0] == 0x99 and envelope.endswith(raw + len(raw).to_bytes(2, "big"))


def test_a_task_without_a_key_has_the_bytes_that_it_always_had() -> None:
    envelope = encode_envelope("job", [1], {}, "default", 5)
    assert envelope == encode_envelope("job", [1], {}, "default", 5, limit_key="")
    assert envelope[0] == 0x95 and decode_envelope(envelope).limit_key == ""


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"\x00\x00",
        b"a\x00\x02",
        b"aa\x00\x01",
        b"\xff\x00\x01",
        encode_limit_key("a" * 201),
        "a\x00\x01",
        None,
        5,
    ],
)
def test_what_is_no_key_is_malformed(field: object) -> None:
    with pytest.raises(Malformed, match="limit key"):
        decode_limit_key(field)
    parts = [1, "job", [], "default", 5, {}, [], {}, field]
    with pytest.raises(Malformed, match="limit key"):
        decode_envelope(pack(parts, ("part",) * len(parts)))
