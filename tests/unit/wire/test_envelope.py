"""Tasks as bytes: small, bounded, and never a surprise to whoever reads them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgpack
import pytest

from tqd.errors import Malformed, Unserialisable, UnsupportedVersion
from tqd.task.model import NO_OPTIONS, TaskOptions
from tqd.wire.envelope import Envelope, decode_envelope, decode_value, encode_envelope, encode_value

KWARGS: dict[str, Any] = {"subject": "hi"}
OPTIONS = TaskOptions(queue="q", max_retries=0, timeout_s=1.5, result_ttl_s=60.0)


def raw(*fields: Any) -> bytes:
    packed: bytes = msgpack.packb(list(fields))
    return packed


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_small_task_is_at_most_65_bytes() -> None:
    data = encode_envelope(
        "shop.mail.send_email", [123, "a@example.org", {"a": 1}], {}, "default", 1_700_000_000_000
    )
    assert len(data) <= 65


@pytest.mark.parametrize("kwargs", [{}, KWARGS])
@pytest.mark.parametrize(
    "options",
    [NO_OPTIONS, OPTIONS, TaskOptions(max_retry_delay_s=0.0), TaskOptions(hard_timeout_s=0.5)],
)
@pytest.mark.parametrize("headers", [{}, {"traceparent": "00-1"}])
def test_an_envelope_comes_back_as_it_was(
    kwargs: dict[str, Any], options: TaskOptions, headers: dict[str, str]
) -> None:
    data = encode_envelope("name", [1, "a"], kwargs, "mail", 7, options, headers)
    assert decode_envelope(data) == Envelope("name", [1, "a"], kwargs, "mail", 7, options, headers)


def test_what_is_empty_takes_no_room() -> None:
    assert encode_envelope("n", [], {}, "q", 7) == raw(1, "n", [], "q", 7)
    assert encode_envelope("n", [], KWARGS, "q", 7, TaskOptions()) == raw(1, "n", [], "q", 7, KWARGS)
    assert encode_envelope("n", [], {}, "q", 7, TaskOptions(timeout_s=30.0)) == raw(
        1, "n", [], "q", 7, {}, [None, None, 30]
    )


def test_durations_arrive_as_floats() -> None:
    arrived = decode_envelope(encode_envelope("n", [], {}, "q", 7, TaskOptions(timeout_s=30)))
    assert type(arrived.options.timeout_s) is float


def test_a_duration_beyond_any_integer_of_msgpack_is_a_float() -> None:
    data = encode_envelope("n", [], {}, "q", 7, TaskOptions(timeout_s=1e300))
    assert decode_envelope(data).options == TaskOptions(timeout_s=1e300)


def test_an_envelope_shows_its_name_and_not_its_arguments() -> None:
    shown = repr(decode_envelope(raw(1, "n", ["secret"], "q", 7)))
    assert shown == "Envelope(name='n', queue='q', enqueued_ms=7)"


HOSTILE = {
    "nothing": b"",
    "not msgpack": b"\xc1",
    "cut short": raw(1, "n", [], "q", 7)[:-1],
    "something behind it": raw(1, "n", [], "q", 7) + b"\x00",
    "no array": msgpack.packb({"a": 1}),
    "no version": raw(),
    "version 0": raw(0, "n", [], "q", 7),
    "a version that is no int": raw(True, "n", [], "q", 7),
    "too few fields": raw(1, "n", [], "q"),
    "too many fields": raw(1, "n", [], "q", 7, {}, [], {}, 9),
    "an empty name": raw(1, "", [], "q", 7),
    "a name of bytes": raw(1, b"n", [], "q", 7),
    "args that are no array": raw(1, "n", {}, "q", 7),
    "an empty queue": raw(1, "n", [], "", 7),
    "a queue that is no text": raw(1, "n", [], None, 7),
    "a time before 1970": raw(1, "n", [], "q", -1),
    "a time that is a float": raw(1, "n", [], "q", 7.0),
    "kwargs that are no map": raw(1, "n", [], "q", 7, []),
    "a keyword of bytes": raw(1, "n", [], "q", 7, {b"a": 1}),
    "a keyword that is a number": raw(1, "n", [], "q", 7, {1: 1}),
    "options that are no array": raw(1, "n", [], "q", 7, {}, {}),
    "too many options": raw(1, "n", [], "q", 7, {}, [None] * 11),
    "a negative timeout": raw(1, "n", [], "q", 7, {}, [None, None, -1]),
    "an endless timeout": raw(1, "n", [], "q", 7, {}, [None, None, float("inf")]),
    "a timeout that is no number": raw(1, "n", [], "q", 7, {}, [None, None, float("nan")]),
    "retries that are a bool": raw(1, "n", [], "q", 7, {}, [None, True]),
    "retries that are a float": raw(1, "n", [], "q", 7, {}, [None, 1.0]),
    "an empty queue option": raw(1, "n", [], "q", 7, {}, [""]),
    "headers that are no map": raw(1, "n", [], "q", 7, {}, [], [1]),
    "a header that is no text": raw(1, "n", [], "q", 7, {}, [], {"a": 1}),
    "a header's name that is no text": raw(1, "n", [], "q", 7, {}, [], {b"a": "b"}),
    "nesting beyond 32": raw(1, "n", [nested(33)], "q", 7),
    "nesting beyond 32 in kwargs": raw(1, "n", [], "q", 7, {"a": nested(33)}),
    "nesting beyond msgpack": b"\x95\x01\xa1n" + b"\x91" * 5000,
    "an unknown ext type": raw(1, "n", [msgpack.ExtType(99, b"")], "q", 7),
    "a msgpack timestamp": raw(1, "n", [msgpack.Timestamp(1, 2)], "q", 7),
    "a msgpack timestamp in a map": raw(1, "n", [{"a": msgpack.Timestamp(1, 2)}], "q", 7),
    "text that is no UTF-8": b"\x95\x01\xa1\xff\x90\xa1q\x07",
    "an array longer than its bytes": b"\x95\x01\xa1n\xdd\xff\xff\xff\xff",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_bytes_that_are_no_envelope_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_envelope(data)


def test_what_is_no_bytes_at_all_is_malformed() -> None:
    nothing: Any = None
    with pytest.raises(Malformed, match="expected bytes, got NoneType"):
        decode_envelope(nothing)


def test_32_containers_may_be_nested() -> None:
    assert decode_envelope(raw(1, "n", [nested(32)], "q", 7)).args == [nested(32)]


@pytest.mark.parametrize(
    "data",
    [
        raw(2, "n"),
        raw(200, {"whatever": 1}),
        raw(2, msgpack.ExtType(99, b"")),
        raw(2, {1: 2}),
        b"\x95\x02" + b"\xc1",
    ],
)
def test_bytes_of_a_newer_version_say_so_whatever_they_hold(data: bytes) -> None:
    with pytest.raises(UnsupportedVersion, match=r"this tqd reads up to 1; upgrade the workers"):
        decode_envelope(data)


def test_a_payload_beyond_the_limit_is_refused_with_size_limit_and_setting() -> None:
    with pytest.raises(Unserialisable) as caught:
        encode_envelope("mail", ["x" * 2000], {}, "q", 7, max_bytes=1000)
    assert str(caught.value) == (
        'the payload of task "mail" is 2,014 bytes, limit 1,000; store the data elsewhere and pass its key, '
        "or raise security.max_payload_size_mb"
    )


def test_a_payload_at_the_limit_passes_both_ends() -> None:
    data = encode_envelope("n", ["x" * 900], {}, "q", 7)
    assert encode_envelope("n", ["x" * 900], {}, "q", 7, max_bytes=len(data)) == data
    assert decode_envelope(data, max_bytes=len(data)).args == ["x" * 900]
    with pytest.raises(Malformed, match="911 bytes, limit 910; see security"):
        decode_envelope(data, max_bytes=len(data) - 1)


def test_a_million_empty_maps_are_refused_before_they_become_73_mb() -> None:
    body = b"\x95\x01\xa1n\xdd" + (1_000_000).to_bytes(4, "big") + b"\x80" * 1_000_000 + b"\xa1q\x07"
    with pytest.raises(Malformed, match="more than 65,536 lists, maps and ext values"):
        decode_envelope(body)


def test_what_its_reader_would_refuse_is_refused_to_its_producer() -> None:
    with pytest.raises(
        Unserialisable, match='the payload of task "n", 70,013 bytes, would not be read: more'
    ):
        encode_envelope("n", [[[] for _ in range(70_000)]], {}, "q", 7)


def test_a_large_list_of_rows_passes() -> None:
    rows = [{"id": number, "name": "a name of some length"} for number in range(20_000)]
    assert decode_envelope(encode_envelope("n", [rows], {}, "q", 7)).args == [rows]


def test_what_the_signature_let_pass_by_mistake_is_still_refused_with_a_path() -> None:
    with pytest.raises(Unserialisable, match=r"^args\[1\]: tuple is not serialisable"):
        encode_envelope("n", [1, (2,)], {}, "q", 7)
    with pytest.raises(Unserialisable, match=r'^kwargs\["a"\]: int is beyond 64 bits'):
        encode_envelope("n", [], {"a": 2**64}, "q", 7)


def test_a_name_that_is_an_enum_is_refused() -> None:
    class Queue(StrEnum):
        MAIL = "mail"

    with pytest.raises(Unserialisable, match=r"^queue: Queue is not serialisable"):
        encode_envelope("n", [], {}, Queue.MAIL, 7)


def test_a_refused_value_leaves_nothing_behind_in_the_packer() -> None:
    with pytest.raises(Unserialisable):
        encode_envelope("n", ["a", {1}], {}, "q", 7)
    assert encode_envelope("n", [], {}, "q", 7) == raw(1, "n", [], "q", 7)


@pytest.mark.parametrize("value", [None, [1, {"a": b"b"}], "text"])
def test_a_result_comes_back_as_it_was(value: Any) -> None:
    assert decode_value(encode_value(value)) == value


def test_a_result_that_cannot_travel_is_refused() -> None:
    with pytest.raises(Unserialisable, match=r"^result\[0\]: set is not serialisable"):
        encode_value([{1}])
    with pytest.raises(Unserialisable, match="the result is 203 bytes, limit 100"):
        encode_value(b"x" * 201, max_bytes=100)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91", msgpack.packb(nested(33)), b"\xa2ab"])
def test_bytes_that_are_no_result_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_value(data, max_bytes=2 if data == b"\xa2ab" else 1000)
