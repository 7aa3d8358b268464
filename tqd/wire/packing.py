"""Values to bytes and back, within limits; the one place that calls msgpack.

Memory: with no limit but the size, 1 MiB of empty maps becomes 73 MiB of objects. Above `SMALL_BYTES` the
containers and ext values are therefore counted while they are made, one per 16 bytes allowed (and never
less than `SMALL_BYTES`). Measured worst, with a limit of 1 MiB or more: 35 × the limit (one-entry maps, the
rest short texts that are not ASCII); payloads of up to 64 KiB stay below 4.7 MiB.
"""

from __future__ import annotations

import threading
from typing import Any

import msgpack

from tqd.errors import Malformed, Unserialisable, UnsupportedVersion
from tqd.wire.ext import from_ext, to_ext
from tqd.wire.plain import MAX_DEPTH, SCALARS, Misfit, check

DEFAULT_MAX_BYTES = 1024 * 1024
"""The default of `security.max_payload_size_mb`, in bytes."""

SMALL_BYTES = 64 * 1024
"""Up to this size nothing is counted: the worst such payload becomes 4.7 MiB."""

BYTES_PER_CONTAINER = 16

SETTING = "security.max_payload_size_mb"

_UNPACK_ERRORS = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)
_PACK_ERRORS = (ValueError, TypeError, OverflowError, RecursionError, Misfit)


class _ThreadPacker(threading.local):
    """One packer per thread: a new one for each task costs 0.9 µs more (its buffer)."""

    def __init__(self) -> None:
        self.pack = msgpack.Packer(strict_types=True, default=to_ext).pack


_packer = _ThreadPacker()


def pack(value: Any, roots: tuple[str, ...]) -> bytes:
    """Return the msgpack of a list whose items a refusal calls by the names in `roots`.

    Raises Unserialisable with the path to what msgpack cannot carry. Trusts its caller that dict keys are
    str or bytes (`Signature.encode` and `check` see to it).
    """
    try:
        packed: bytes = _packer.pack(value)
    except _PACK_ERRORS as error:
        raise _explain(value, roots, error) from None
    return packed


def _explain(value: list[Any], roots: tuple[str, ...], error: Exception) -> Unserialisable:
    for root, item in zip(roots, value, strict=False):
        try:
            check(item)
        except Misfit as misfit:
            return misfit.refusal(root)
    return Unserialisable(f"{' or '.join(roots)} is not serialisable: {error}")


def unpack(
    data: bytes,
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_containers: int | None = None,
    *,
    str_keys: bool = True,
) -> Any:
    """Return the value in the bytes; containers may still be nested deeper than allowed (`verify`).

    Raises Malformed for bytes that are no msgpack value, more than `max_bytes` of them, ext types that are
    not ours, or more than `max_containers` containers (None: by size, as the module says).
    """
    if type(data) is not bytes:
        raise Malformed(f"expected bytes, got {type(data).__name__}")
    size = len(data)
    if size > max_bytes:
        raise Malformed(f"{size:,} bytes, limit {max_bytes:,}; see {SETTING}")
    try:
        if size <= SMALL_BYTES and max_containers is None:
            return msgpack.unpackb(data, ext_hook=from_ext, strict_map_key=str_keys)
        if max_containers is None:
            max_containers = max(SMALL_BYTES, size // BYTES_PER_CONTAINER)
        budget = _Budget(max_containers)
        return msgpack.unpackb(
            data,
            ext_hook=budget.count_ext,
            list_hook=budget.count,
            object_hook=budget.count,
            strict_map_key=str_keys,
        )
    except _UNPACK_ERRORS as error:
        raise Malformed(f"no valid msgpack: {str(error) or type(error).__name__}") from None


def unpack_stream(data: bytes, most: int) -> list[Any]:
    """Return up to `most` values that follow each other in the bytes; it ends at what is no whole value."""
    unpacker = msgpack.Unpacker(
        ext_hook=from_ext,
        strict_map_key=True,
        max_buffer_size=max(1, len(data)),
        max_array_len=64,
        max_map_len=0,
    )
    unpacker.feed(data)
    values: list[Any] = []
    try:
        while len(values) < most:
            values.append(unpacker.unpack())
    except (*_UNPACK_ERRORS, Malformed):
        pass  # the end, cut off or not
    return values


class _Budget:
    """Counts what is made while unpacking, and stops it when it is too much."""

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.left = self.limit = limit

    def count(self, made: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Malformed(f"more than {self.limit:,} lists, maps and ext values for its size")
        return made

    def count_ext(self, code: int, data: bytes) -> Any:
        return self.count(from_ext(code, data))


def verify(value: Any, depth: int = 0) -> None:
    """Pass when an unpacked value is at most `MAX_DEPTH` deep and holds only what we write.

    Raises Malformed, also for msgpack's own timestamps, which reach no ext hook.
    """
    kind = type(value)
    if kind in SCALARS:
        return
    if kind is list:
        items = value
    elif kind is dict:
        items = value.values()
    else:
        raise Malformed(f"holds a {kind.__name__}, which tqd does not write")
    if depth >= MAX_DEPTH:
        raise Malformed(f"nested deeper than {MAX_DEPTH} containers")
    if SCALARS.issuperset(map(type, items)):
        return
    for item in items:
        if type(item) not in SCALARS:
            verify(item, depth + 1)


def limit_size(packed: bytes, max_bytes: int, what: str) -> bytes:
    """Return the packed bytes when a reader with the same limit will take them.

    Raises Unserialisable: too many bytes, or too many containers for them.
    """
    size = len(packed)
    if size > max_bytes:
        raise Unserialisable(
            f"{what} is {size:,} bytes, limit {max_bytes:,}; store the data elsewhere and pass its key, "
            f"or raise {SETTING}"
        )
    if size > SMALL_BYTES:
        try:
            unpack(packed, max_bytes)
        except Malformed as error:
            raise Unserialisable(f"{what}, {size:,} bytes, would not be read: {error}") from None
    return packed


def unpack_versioned(
    data: bytes,
    version: int,
    what: str,
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_containers: int | None = None,
) -> list[Any]:
    """Return the items of an array that begins with `version`.

    Raises UnsupportedVersion for a larger number, whatever follows it, and Malformed for all else.
    """
    if type(data) is bytes and len(data) <= SMALL_BYTES and len(data) <= max_bytes and max_containers is None:
        # The straight way of nearly all; whatever is unusual is looked at again below, and explained.
        try:
            parts = msgpack.unpackb(data, ext_hook=from_ext, strict_map_key=True)
        except (*_UNPACK_ERRORS, Malformed):
            parts = None
        if type(parts) is list and parts and type(parts[0]) is int and parts[0] == version:
            return parts
    try:
        parts = unpack(data, max_bytes, max_containers)
    except Malformed as error:
        if type(data) is bytes and data[:1] in _SMALL_ARRAYS and version < (data[1:2] or b"\0")[0] < 0x80:
            raise _newer(what, data[1], version) from None
        raise Malformed(f"{what}: {error}") from None
    if type(parts) is not list or not parts or type(parts[0]) is not int or parts[0] < 1:
        raise Malformed(f"{what}: not an array that begins with a version")
    if parts[0] > version:
        raise _newer(what, parts[0], version)
    return parts


_SMALL_ARRAYS = frozenset(bytes((0x90 + length,)) for length in range(1, 16))


def _newer(what: str, found: int, version: int) -> UnsupportedVersion:
    return UnsupportedVersion(
        f"{what} is of version {found}, this tqd reads up to {version}; "
        "upgrade the workers before the producers"
    )
