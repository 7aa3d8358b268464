"""Hostile bytes in the ext types: whatever they hold, the answer is Malformed."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import msgpack
import pytest

from tqd.errors import Malformed, Unserialisable
from tqd.wire.envelope import decode_value, encode_value

STAMP = bytes.fromhex("07e8010203040500000000")

HOSTILE = {
    "a date in month 13": (2, bytes.fromhex("07e80d01")),
    "a date that is too short": (2, b"\x07"),
    "a date that is too long": (2, bytes.fromhex("07e8010101")),
    "a datetime that is too short": (1, b"\x07"),
    "a datetime with a million and more microseconds": (1, bytes.fromhex("07e80102030405000f4240")),
    "a zone of an unknown kind": (1, STAMP + b"\x09"),
    "a zone that does not exist": (1, STAMP + b"\x02Nowhere/Land"),
    "a zone that climbs out of its folder": (1, STAMP + b"\x02../../etc/passwd"),
    "a zone that is a folder": (1, STAMP + b"\x02Europe"),
    "a zone that is no ASCII": (1, STAMP + b"\x02\xff"),
    "a zone with a NUL": (1, STAMP + b"\x02UTC\x00"),
    "a zone with a name too long for any file": (1, STAMP + b"\x02" + b"A" * 5000),
    "an offset beyond a day": (1, STAMP + b"\x01" + b"\x7f" * 8),
    "a time at hour 25": (3, bytes.fromhex("19000000000000")),
    "a duration beyond ten bytes": (4, b"\x01" * 11),
    "a duration beyond timedelta": (4, b"\x7f" * 10),
    "a UUID of 15 bytes": (5, b"x" * 15),
    "a Decimal that is no number": (6, b"one"),
    "a Decimal that is no ASCII": (6, "\u0661".encode()),  # int() would read it as 1
    "nothing as Decimal": (6, b""),
    "an ext type of nobody": (7, b""),
    "a negative ext type": (-2, b""),
}


@pytest.mark.parametrize(("code", "data"), HOSTILE.values(), ids=HOSTILE.keys())
def test_an_ext_value_that_is_none_is_malformed(code: int, data: bytes) -> None:
    body = b"\xc8" + len(data).to_bytes(2, "big") + (code % 256).to_bytes(1, "big") + data
    with pytest.raises(Malformed):
        decode_value(body)


def test_an_unknown_zone_says_what_to_install() -> None:
    with pytest.raises(Malformed, match="is not known on this host; install tzdata"):
        decode_value(msgpack.packb(msgpack.ExtType(1, STAMP + b"\x02Nowhere/Land")))


class Silent(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None

    def dst(self, moment: datetime | None) -> None:
        return None

    def tzname(self, moment: datetime | None) -> None:
        return None


class Drifting(Silent):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(minutes=7)


def test_another_tzinfo_travels_as_its_offset() -> None:
    arrived = decode_value(encode_value(datetime(2024, 1, 1, tzinfo=Drifting())))
    assert arrived.utcoffset() == timedelta(minutes=7)


def test_a_tzinfo_without_offset_is_refused_with_its_path() -> None:
    with pytest.raises(Unserialisable, match=r"^result\[0\]: its tzinfo \(Silent\) gives no offset"):
        encode_value([datetime(2024, 1, 1, tzinfo=Silent())])


def test_a_zone_whose_key_is_known_needs_no_offset() -> None:
    moment = datetime(2024, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")).timetz()
    assert decode_value(encode_value(moment)) == moment
