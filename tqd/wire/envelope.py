"""The envelope: all that is needed to run a task, as one versioned msgpack array.

    [1, name, args, queue, enqueued ms, kwargs, options, headers, limit key]

Trailing empty ones are left out. Options are an array as well, in the order of `TaskOptions`, also trimmed. A
later version may only begin with a larger number. The bytes' size limits their memory: see `packing`.
"""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from math import inf
from typing import Any

from tqd.errors import Malformed
from tqd.task.model import NO_OPTIONS, TaskOptions
from tqd.wire.limit_key import decode_limit_key, encode_limit_key
from tqd.wire.packing import (
    DEFAULT_MAX_BYTES,
    SMALL_BYTES,
    limit_size,
    pack,
    unpack,
    unpack_versioned,
    verify,
)
from tqd.wire.plain import SCALARS, Misfit, check
from tqd.wire.seal import is_sealed, unsealed

VERSION = 1

_OPTIONS = tuple(field.name for field in fields(TaskOptions))
_WITH_DELAY = _OPTIONS.index("delay_s") + 1
_FEWEST, _MOST = 5, 9
_MOST_SECONDS = 2**32
_ROOTS = ("version", "name", "args", "queue", "enqueued_ms", "kwargs", "options", "headers", "limit_key")


class Envelope:
    """One task as it travels. Built for every task, hence not a frozen dataclass; treat as immutable.

    `options` are those of this call only; `args` and `kwargs` are not decoded yet (`Signature.decode`).
    """

    __slots__ = ("args", "enqueued_ms", "headers", "kwargs", "limit_key", "name", "options", "queue")

    def __init__(
        self,
        name: str,
        args: list[Any],
        kwargs: dict[str, Any],
        queue: str,
        enqueued_ms: int,
        options: TaskOptions,
        headers: dict[str, str],
        limit_key: str = "",
    ) -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.queue = queue
        self.enqueued_ms = enqueued_ms
        self.options = options
        self.headers = headers
        self.limit_key = limit_key

    def __repr__(self) -> str:
        return f"Envelope(name={self.name!r}, queue={self.queue!r}, enqueued_ms={self.enqueued_ms})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Envelope):
            return NotImplemented
        return all(getattr(self, slot) == getattr(other, slot) for slot in self.__slots__)

    __hash__ = None  # type: ignore[assignment]


def encode_envelope(
    name: str,
    args: list[Any],
    kwargs: dict[str, Any],
    queue: str,
    enqueued_ms: int,
    options: TaskOptions = NO_OPTIONS,
    headers: dict[str, str] | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    limit_key: str = "",
) -> bytes:
    """Return the bytes of a task; `args` and `kwargs` are what `Signature.encode` returned.

    Raises Unserialisable when they are more than `max_bytes`, or hold what msgpack cannot carry.
    """
    parts: list[Any] = [VERSION, name, args, queue, enqueued_ms]
    if limit_key:
        parts += (kwargs, _option_values(options), headers or {}, encode_limit_key(limit_key))
    elif headers:
        parts += (kwargs, _option_values(options), headers)
    elif options is not NO_OPTIONS and options != NO_OPTIONS:
        parts += (kwargs, _option_values(options))
    elif kwargs:
        parts.append(kwargs)
    packed = pack(parts, _ROOTS)
    if len(packed) > SMALL_BYTES or len(packed) > max_bytes:
        limit_size(packed, max_bytes, f'the payload of task "{name}"')
    return packed


def _option_values(options: TaskOptions) -> list[Any]:
    """Return the options in order, whole seconds as ints: 1 byte instead of 9."""
    values = [getattr(options, name) for name in _OPTIONS]
    while values and values[-1] is None:
        values.pop()
    return [
        int(value) if type(value) is float and value.is_integer() and value < _MOST_SECONDS else value
        for value in values
    ]


def decode_envelope(data: bytes, max_bytes: int = DEFAULT_MAX_BYTES) -> Envelope:
    """Return the task in the bytes, every field checked.

    A signature before it is passed over: it is verified by whoever has keys (`seal`). Raises
    UnsupportedVersion for bytes of a newer tqd, Malformed for all others that are no envelope.
    """
    try:
        parts = unpack_versioned(data, VERSION, "envelope", max_bytes)
    except Malformed as error:
        parts = _unsealed_parts(data, max_bytes, error)
    if not _FEWEST <= len(parts) <= _MOST:
        raise Malformed(f"envelope: {len(parts)} fields, expected {_FEWEST} to {_MOST}")
    _, name, args, queue, enqueued_ms, *more = parts
    if type(name) is not str or not name:
        raise Malformed("envelope: the name is no text, or empty")
    if type(args) is not list:
        raise Malformed("envelope: args is no array")
    if type(queue) is not str or not queue:
        raise Malformed("envelope: the queue is no text, or empty")
    if type(enqueued_ms) is not int or enqueued_ms < 0:
        raise Malformed("envelope: enqueued_ms is no number of milliseconds")
    for value in args:
        if type(value) not in SCALARS:
            verify(value)
    if not more:
        return Envelope(name, args, {}, queue, enqueued_ms, NO_OPTIONS, {})
    kwargs = _text_keys(more[0], "kwargs")
    for value in kwargs.values():
        if type(value) not in SCALARS:
            verify(value)
    options = _options(more[1]) if len(more) > 1 else NO_OPTIONS
    headers = _headers(more[2]) if len(more) > 2 else {}
    limit_key = decode_limit_key(more[3]) if len(more) > 3 else ""
    return Envelope(name, args, kwargs, queue, enqueued_ms, options, headers, limit_key)


def _unsealed_parts(data: bytes, max_bytes: int, error: Malformed) -> list[Any]:
    """Return the parts of a sealed envelope; raises the error when it is none."""
    if type(data) is not bytes or not is_sealed(data):
        raise error
    return unpack_versioned(unsealed(data), VERSION, "envelope", max_bytes)


def _text_keys(value: Any, what: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise Malformed(f"envelope: {what} is no map")
    for key in value:
        if type(key) is not str:
            raise Malformed(f"envelope: a key of {what} is no text")
    return value


def _headers(value: Any) -> dict[str, str]:
    headers = _text_keys(value, "headers")
    if not all(type(text) is str for text in headers.values()):
        raise Malformed("envelope: a value of headers is no text")
    return headers


def _options(values: Any) -> TaskOptions:
    if type(values) is not list or len(values) > len(_OPTIONS):
        raise Malformed(f"envelope: options are no array of at most {len(_OPTIONS)}")
    if len(values) == _WITH_DELAY and values.count(None) == _WITH_DELAY - 1:
        return _delayed(_option("delay_s", values[-1]))
    given = {
        name: _option(name, value) for name, value in zip(_OPTIONS, values, strict=False) if value is not None
    }
    return TaskOptions(**given) if given else NO_OPTIONS


@lru_cache(maxsize=256)
def _delayed(delay_s: float) -> TaskOptions:
    """Return the options of a task that has no others: many have the same delay."""
    return TaskOptions(delay_s=delay_s)


def _option(name: str, value: Any) -> Any:
    if name == "queue":
        if type(value) is str and value:
            return value
    elif name == "max_retries":
        if type(value) is int and value >= 0:
            return value
    elif type(value) in (int, float) and 0 <= value < inf:
        return float(value)
    raise Malformed(f"envelope: option {name} is {ascii(value)[:40]}, which it cannot be")


def encode_value(value: Any, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """Return the bytes of one value, what `Signature.encode_result` returned.

    Raises Unserialisable with the path, or when it is more than `max_bytes`.
    """
    try:
        check(value)
    except Misfit as misfit:
        raise misfit.refusal("result") from None
    return limit_size(pack([value], ("result",))[1:], max_bytes, "the result")


def decode_value(data: bytes, max_bytes: int = DEFAULT_MAX_BYTES) -> Any:
    """Return the value in the bytes; raises Malformed for whatever is not one."""
    value = unpack(data, max_bytes)
    verify(value)
    return value
