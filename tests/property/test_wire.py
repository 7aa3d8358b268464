"""Whatever travels comes back as it was, and whatever bytes arrive, only a WireError comes out."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta, timezone
from enum import Enum
from types import GenericAlias
from typing import Any, NamedTuple

import msgpack
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tqd.errors import WireError
from tqd.task.model import NO_OPTIONS, TaskOptions, TaskState
from tqd.wire.envelope import Envelope, decode_envelope, decode_value, encode_envelope, encode_value
from tqd.wire.frames import FrameReader, encode_frame
from tqd.wire.records import FailureRecord, ResultRecord
from tqd.wire.signature import UNTYPED, Signature


class Colour(Enum):
    RED = "red"
    BLUE = 2


@dataclass(frozen=True)
class Place:
    name: str
    colours: frozenset[Colour] = frozenset()
    inside: Place | None = None


class Point(NamedTuple):
    x: int
    y: tuple[int, ...] = ()


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
INTS = st.integers(-(2**63), 2**64 - 1)
OFFSETS = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
ZONES = st.none() | OFFSETS | st.timezones()

SELF_DESCRIBING = st.one_of(
    st.none(),
    st.booleans(),
    INTS,
    st.floats(allow_nan=False),
    TEXT,
    st.binary(max_size=20),
    st.datetimes(timezones=ZONES),
    st.dates(),
    st.times(timezones=ZONES),
    st.timedeltas(),
    st.uuids(),
    st.decimals(allow_nan=False),
)
PLAIN = st.recursive(
    SELF_DESCRIBING,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.binary(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
COLOURS = st.sampled_from(Colour)
PLACES = st.recursive(
    st.builds(Place, TEXT, st.frozensets(COLOURS)),
    lambda inner: st.builds(Place, TEXT, st.frozensets(COLOURS), inner),
    max_leaves=5,
)
Case = tuple[Any, st.SearchStrategy[Any]]
LEAVES: list[Case] = [
    (int, INTS),
    (str, TEXT),
    (Colour, COLOURS),
    (Place, PLACES),
    (Point, st.builds(Point, INTS, st.lists(INTS, max_size=3).map(tuple))),
]


def around(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    """Return the annotations, with strategies of their values, that hold an inner one."""
    pairs = st.tuples(inner, inner)
    return st.one_of(
        inner.map(lambda case: (GenericAlias(list, case[0]), st.lists(case[1], max_size=3))),
        inner.map(
            lambda case: (GenericAlias(tuple, (case[0], ...)), st.lists(case[1], max_size=3).map(tuple))
        ),
        inner.map(
            lambda case: (GenericAlias(dict, (str, case[0])), st.dictionaries(TEXT, case[1], max_size=3))
        ),
        inner.map(
            lambda case: (GenericAlias(dict, (int, case[0])), st.dictionaries(INTS, case[1], max_size=3))
        ),
        inner.map(lambda case: (case[0] | None, st.none() | case[1])),
        pairs.map(lambda two: (GenericAlias(tuple, (two[0][0], two[1][0])), st.tuples(two[0][1], two[1][1]))),
        pairs.map(lambda two: (two[0][0] | two[1][0], two[0][1] | two[1][1])),
    )


CASES = st.recursive(st.sampled_from(LEAVES), around, max_leaves=4)


def typed(annotation: Any) -> Signature:
    def handler(x: Any) -> None: ...

    handler.__annotations__ = {"x": annotation}
    return Signature.of(handler)


def alike(left: Any, right: Any) -> bool:
    """Compare with classes: True is not 1 here."""
    if type(left) is not type(right) or left != right:
        return False
    if isinstance(left, dict):
        return all(alike(left[key], right[key]) for key in left)
    return not isinstance(left, list | tuple) or all(map(alike, left, right))


@given(PLAIN)
def test_a_plain_value_comes_back_as_it_was(value: Any) -> None:
    args, _ = UNTYPED.encode((value,), {})
    [arrived] = decode_envelope(encode_envelope("n", args, {}, "q", 1)).args
    assert alike(arrived, value)
    assert alike(decode_value(encode_value(value)), value)


@given(st.data())
def test_an_annotated_value_comes_back_as_it_was(data: st.DataObject) -> None:
    annotation, values = data.draw(CASES)
    value = data.draw(values)
    signature = typed(annotation)
    args, _ = signature.encode((value,), {})
    arrived = decode_envelope(encode_envelope("n", args, {}, "q", 1))
    assert alike(signature.decode(arrived.args, arrived.kwargs)[0][0], value)


@given(st.data(), PLAIN)
def test_a_plain_value_under_any_annotation_is_taken_or_malformed(data: st.DataObject, value: Any) -> None:
    annotation, _ = data.draw(CASES)
    with contextlib.suppress(WireError):
        typed(annotation).decode([value], {})


COUNTS = st.integers(0, 2**53)
SECONDS = st.none() | st.floats(0, 1e9)
OPTIONS = st.builds(
    TaskOptions,
    queue=st.none() | TEXT.filter(bool),
    max_retries=st.none() | COUNTS,
    timeout_s=SECONDS,
    retry_delay_s=SECONDS,
    max_retry_delay_s=SECONDS,
    result_ttl_s=SECONDS,
    hard_timeout_s=SECONDS,
    expires_s=SECONDS,
    deadline_s=SECONDS,
    delay_s=SECONDS,
)
ENVELOPES = st.builds(
    Envelope,
    TEXT.filter(bool),
    st.lists(PLAIN, max_size=3),
    st.dictionaries(TEXT, PLAIN, max_size=3),
    TEXT.filter(bool),
    COUNTS,
    OPTIONS | st.just(NO_OPTIONS),
    st.dictionaries(TEXT, TEXT, max_size=2),
)


def packed(task: Envelope) -> bytes:
    return encode_envelope(
        task.name, task.args, task.kwargs, task.queue, task.enqueued_ms, task.options, task.headers
    )


@given(ENVELOPES)
def test_an_envelope_comes_back_as_it_was(task: Envelope) -> None:
    assert decode_envelope(packed(task)) == task


READERS: list[Callable[[bytes], object]] = [
    decode_envelope,
    decode_value,
    ResultRecord.decode,
    FailureRecord.decode,
    lambda data: FrameReader().feed(data),
    lambda data: FrameReader().feed(len(data).to_bytes(4, "big") + data),
]


def read_by_all(data: bytes) -> None:
    for reader in READERS:
        with contextlib.suppress(WireError):
            reader(data)


@settings(max_examples=300)
@given(st.binary(max_size=200))
@example(b"\x91" * 2000)
@example(b"\x81\xa1a" * 2000)
@example(b"\x95\x01\xa1n\xdd\xff\xff\xff\xff")
def test_random_bytes_raise_nothing_but_a_wire_error(data: bytes) -> None:
    read_by_all(data)


@settings(max_examples=200)
@given(ENVELOPES.map(packed), st.data())
def test_a_damaged_envelope_raises_nothing_but_a_wire_error(data: bytes, draws: st.DataObject) -> None:
    damaged = bytearray(data)
    for _ in range(draws.draw(st.integers(1, 4))):
        place = draws.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + draws.draw(st.integers(0, 2))] = draws.draw(st.binary(max_size=3))
        if not damaged:
            break
    read_by_all(bytes(damaged))


MSGPACK = st.recursive(
    st.none() | st.booleans() | INTS | st.floats() | TEXT | st.binary(max_size=12)
    | st.builds(msgpack.ExtType, st.integers(0, 9), st.binary(max_size=14)),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(TEXT | INTS, inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(MSGPACK, min_size=4, max_size=8))
def test_valid_msgpack_of_any_shape_raises_nothing_but_a_wire_error(fields: list[Any]) -> None:
    read_by_all(msgpack.packb([1, *fields]))


MESSAGES = st.lists(
    st.lists(PLAIN_FRAME := st.none() | INTS | TEXT, max_size=5)
    | st.dictionaries(TEXT, PLAIN_FRAME, max_size=5),
    max_size=6,
)


@given(MESSAGES, st.lists(st.integers(1, 40), min_size=1))
def test_frames_survive_any_cutting(messages: list[Any], sizes: list[int]) -> None:
    data = b"".join(map(encode_frame, messages))
    reader, arrived, turn = FrameReader(), [], 0
    while data:
        size = sizes[turn % len(sizes)]
        arrived += reader.feed(data[:size])
        data, turn = data[size:], turn + 1
    assert arrived == messages


@given(
    st.builds(
        FailureRecord,
        task_id=st.binary(max_size=16),
        envelope=st.binary(max_size=50),
        reason=TEXT,
        errors=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=4).map(tuple),
        attempts=COUNTS,
        failed_ms=COUNTS,
        worker=TEXT,
    )
)
def test_a_failure_comes_back_as_it_was(record: FailureRecord) -> None:
    assert FailureRecord.decode(record.encode()) == record


@given(st.text(st.characters(), max_size=40))
def test_no_error_message_makes_a_record_fail(message: str) -> None:
    record = ResultRecord(state=TaskState.DEAD, error_type=message, error_message=message, finished_ms=1)
    assert ResultRecord.decode(record.encode()).finished_ms == 1


def no_parameters() -> None: ...
def by_place(a: int, /, b: int, c: int = 0) -> None: ...
def by_name(a: int, *, b: int, c: int = 0) -> None: ...
def defaults(a: int = 0, b: int = 0) -> None: ...
def starred(a: int, *rest: int, b: int = 0) -> None: ...
def everything(a: int, /, b: int, *rest: int, c: int, **others: int) -> None: ...


HANDLERS = [no_parameters, by_place, by_name, defaults, starred, everything]


@settings(max_examples=400)
@given(
    st.sampled_from(HANDLERS),
    st.lists(st.just(1), max_size=4),
    st.dictionaries(st.sampled_from("abcd"), st.just(1), max_size=4),
)
def test_the_quick_arity_check_agrees_with_python(
    handler: Callable[..., None], args: list[int], kwargs: dict[str, int]
) -> None:
    try:
        inspect.signature(handler).bind(*args, **kwargs)
        fits = True
    except TypeError:
        fits = False
    try:
        Signature.of(handler).encode(tuple(args), kwargs)
        assert fits
    except TypeError:
        assert not fits
