"""The msgpack ext types of tqd: dates, times, UUID and Decimal, which describe themselves.

    1 datetime    >HBBBBBI  year month day hour minute second, microsecond | fold << 31; then the zone
    2 date        >HBB      year month day
    3 time        >BBBI     hour minute second, microsecond | fold << 31; then the zone
    4 timedelta   microseconds, signed big-endian, as few bytes as needed
    5 UUID        16 bytes
    6 Decimal     its text, ASCII

The zone: nothing (naive), 0x01 and its offset (microseconds, as 4), or 0x02 and the key of a ZoneInfo. Other
tzinfo classes travel as their offset at that time. These codes are for ever: golden bytes hold them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgpack import ExtType

from tqd.errors import Malformed
from tqd.wire.plain import Misfit, refusal_reason

_DATETIME = struct.Struct(">HBBBBBI")
_DATE = struct.Struct(">HBB")
_TIME = struct.Struct(">BBBI")
_FOLD = 1 << 31
_MICROSECONDS = timedelta(microseconds=1)
_MAX_SPAN_BYTES = 10
_OFFSET, _KEY = b"\x01", b"\x02"


def to_ext(value: Any) -> ExtType:
    """Return the ext value for msgpack's `default`; raises `Misfit` for a class that has none."""
    writer = _WRITERS.get(type(value))
    if writer is None:
        raise Misfit(refusal_reason(value))
    return writer(value)


def from_ext(code: int, data: bytes) -> Any:
    """Return the value of an ext type, for msgpack's `ext_hook`; raises `Malformed`."""
    reader = _READERS.get(code)
    if reader is None:
        raise Malformed(f"ext type {code} is unknown to this version of tqd")
    try:
        return reader(data)
    except (ValueError, OverflowError, struct.error, InvalidOperation) as error:
        raise Malformed(f"ext type {code} holds no valid value: {error}") from None
    except (KeyError, OSError):
        raise Malformed(f"time zone {data[-64:]!r} is not known on this host; install tzdata") from None


def _write_datetime(value: datetime) -> ExtType:
    stamp = _DATETIME.pack(
        value.year, value.month, value.day, value.hour, value.minute, value.second,
        value.microsecond | (_FOLD if value.fold else 0),
    )  # fmt: skip
    return ExtType(1, stamp + _zone_bytes(value))


def _read_datetime(data: bytes) -> datetime:
    year, month, day, hour, minute, second, tail = _DATETIME.unpack_from(data)
    zone = _zone(data[_DATETIME.size :])
    fold = tail >> 31
    return datetime(year, month, day, hour, minute, second, tail & ~_FOLD, zone, fold=fold)


def _write_date(value: date) -> ExtType:
    return ExtType(2, _DATE.pack(value.year, value.month, value.day))


def _read_date(data: bytes) -> date:
    return date(*_DATE.unpack(data))


def _write_time(value: time) -> ExtType:
    micro = value.microsecond | (_FOLD if value.fold else 0)
    stamp = _TIME.pack(value.hour, value.minute, value.second, micro)
    return ExtType(3, stamp + _zone_bytes(value))


def _read_time(data: bytes) -> time:
    hour, minute, second, tail = _TIME.unpack_from(data)
    return time(hour, minute, second, tail & ~_FOLD, _zone(data[_TIME.size :]), fold=tail >> 31)


def _zone_bytes(value: datetime | time) -> bytes:
    zone = value.tzinfo
    if zone is None:
        return b""
    key = zone.key if type(zone) is ZoneInfo else None
    if key is not None:
        return _KEY + key.encode()
    offset = value.utcoffset()
    if offset is None:
        raise Misfit(f"its tzinfo ({type(zone).__name__}) gives no offset")
    return _OFFSET + _span_bytes(offset)


def _zone(data: bytes) -> tzinfo | None:
    if not data:
        return None
    if data[:1] == _OFFSET:
        offset = _span(data[1:])
        return timezone(offset) if offset else UTC
    if data[:1] == _KEY:
        return ZoneInfo(data[1:].decode("ascii"))
    raise ValueError("the time zone is of an unknown kind")


def _span_bytes(value: timedelta) -> bytes:
    micro = value // _MICROSECONDS
    return micro.to_bytes(micro.bit_length() // 8 + 1, "big", signed=True)


def _span(data: bytes) -> timedelta:
    if len(data) > _MAX_SPAN_BYTES:
        raise ValueError("the duration is too long")
    return timedelta(microseconds=int.from_bytes(data, "big", signed=True))


def _write_span(value: timedelta) -> ExtType:
    return ExtType(4, _span_bytes(value))


def _write_uuid(value: UUID) -> ExtType:
    return ExtType(5, value.bytes)


def _read_uuid(data: bytes) -> UUID:
    return UUID(bytes=data)


def _write_decimal(value: Decimal) -> ExtType:
    return ExtType(6, str(value).encode())


def _read_decimal(data: bytes) -> Decimal:
    return Decimal(data.decode("ascii"))


_WRITERS: dict[type, Callable[[Any], ExtType]] = {
    datetime: _write_datetime,
    date: _write_date,
    time: _write_time,
    timedelta: _write_span,
    UUID: _write_uuid,
    Decimal: _write_decimal,
}
_READERS: dict[int, Callable[[bytes], Any]] = {
    1: _read_datetime,
    2: _read_date,
    3: _read_time,
    4: _span,
    5: _read_uuid,
    6: _read_decimal,
}
