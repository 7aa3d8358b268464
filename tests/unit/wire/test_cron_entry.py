"""A schedule as it stands in Redis, with and without a signature."""

from __future__ import annotations

import pytest

from tqd.errors import Malformed
from tqd.schedule.entry import CatchUp, Entry
from tqd.wire.cron_entry import decode_entry, encode_entry
from tqd.wire.seal import Seal, Untrusted

ENTRY = Entry(
    name="nightly", task="shop.report", queue="default", spec="0 3 * * *", tz="UTC", catch_up=CatchUp.SKIP,
    catch_up_limit=10, args=[1], kwargs={"a": "b"},
)  # fmt: skip
SEAL = Seal([b"k" * 16])


def test_what_was_signed_is_read_with_the_key_and_shown_without() -> None:
    data = encode_entry("shop:tq", ENTRY, SEAL)
    assert data.startswith(b"shop:tq\n"), "the script looks for the app"
    assert decode_entry("nightly", data, SEAL) == decode_entry("nightly", data) == ("shop:tq", ENTRY)


def test_what_is_unsigned_is_not_read_where_there_are_keys() -> None:
    with pytest.raises(Untrusted):
        decode_entry("nightly", encode_entry("shop:tq", ENTRY), SEAL)


@pytest.mark.parametrize(("name", "app"), [("weekly", "shop:tq"), ("nightly", "evil:tq")])
def test_a_signature_fits_neither_another_name_nor_another_app(name: str, app: str) -> None:
    signed = encode_entry("shop:tq", ENTRY, SEAL).partition(b"\n")[2]
    with pytest.raises(Untrusted):
        decode_entry(name, app.encode() + b"\n" + signed, SEAL)


def test_a_signed_schedule_is_no_task() -> None:
    signed = encode_entry("shop:tq", ENTRY, SEAL).partition(b"\n")[2]
    with pytest.raises(Untrusted):
        SEAL.open(bytes(16), signed)


def test_a_schedule_without_its_app_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_entry("nightly", b"no app")
