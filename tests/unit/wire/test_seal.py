"""Signed envelopes: what a key proves, and what none does."""

from __future__ import annotations

import pytest

from tqd.errors import Malformed
from tqd.task.outcome import unreadable
from tqd.wire.envelope import decode_envelope, encode_envelope
from tqd.wire.seal import MAC_BYTES, Seal, Untrusted, is_sealed

OLD, NEW = "o" * 16, b"n" * 100
ID, OTHER_ID = b"i" * 16, b"j" * 16
ENVELOPE = encode_envelope("job", [1], {}, "default", 7)
SEALED = Seal([OLD]).seal(ID, ENVELOPE)


def test_what_was_sealed_opens_as_it_was() -> None:
    assert Seal([OLD]).open(ID, SEALED) == ENVELOPE
    assert is_sealed(SEALED) and not is_sealed(ENVELOPE)
    assert len(SEALED) == len(ENVELOPE) + 2 + MAC_BYTES


def test_the_first_key_signs_and_all_verify_so_that_keys_can_be_changed() -> None:
    both = Seal([NEW, OLD])
    assert both.open(ID, SEALED) == ENVELOPE
    assert Seal([NEW]).open(ID, both.seal(ID, ENVELOPE)) == ENVELOPE
    with pytest.raises(Untrusted):
        Seal([OLD]).open(ID, both.seal(ID, ENVELOPE))


def reason(seal: Seal, task_id: bytes, data: bytes) -> str:
    with pytest.raises(Untrusted) as caught:
        seal.open(task_id, data)
    outcome = unreadable(caught.value)
    assert outcome.kind == "Untrusted" and OLD not in outcome.problem
    return outcome.reason


def test_every_changed_bit_is_seen() -> None:
    seal = Seal([OLD])
    for place in range(2 * 8, len(SEALED) * 8):
        changed = bytearray(SEALED)
        changed[place // 8] ^= 1 << place % 8
        assert reason(seal, ID, bytes(changed)) == "signature does not match"


@pytest.mark.parametrize("data", [SEALED + b"\0", SEALED[:-1], SEALED[: 2 + MAC_BYTES]])
def test_what_is_longer_or_shorter_does_not_match(data: bytes) -> None:
    assert reason(Seal([OLD]), ID, data) == "signature does not match"


def test_a_payload_that_was_moved_to_another_id_does_not_match() -> None:
    assert reason(Seal([OLD]), OTHER_ID, SEALED) == "signature does not match"
    head = Seal([OLD]).seal(ID, b"a" + ENVELOPE)[: 2 + MAC_BYTES]
    assert reason(Seal([OLD]), ID + b"a", head + ENVELOPE) == "signature does not match"


@pytest.mark.parametrize("data", [ENVELOPE, b"", b"\xc1", b"\xc1\x01", SEALED[: 1 + MAC_BYTES]])
def test_what_has_no_signature_is_unsigned(data: bytes) -> None:
    assert reason(Seal([OLD]), ID, data) == "unsigned"


def test_another_key_does_not_match() -> None:
    assert reason(Seal([NEW]), ID, SEALED) == "signature does not match"


def test_who_only_looks_reads_a_sealed_envelope_without_a_key() -> None:
    assert decode_envelope(SEALED) == decode_envelope(ENVELOPE)


@pytest.mark.parametrize("data", [SEALED[:-1], Seal([OLD]).seal(ID, SEALED), Seal([OLD]).seal(ID, b"")])
def test_a_seal_around_something_else_is_no_envelope(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_envelope(data)


def test_the_payloads_limit_is_that_of_the_envelope_inside() -> None:
    assert decode_envelope(SEALED, len(ENVELOPE)).args == [1]
    with pytest.raises(Malformed, match="limit"):
        decode_envelope(SEALED, len(ENVELOPE) - 1)


@pytest.mark.parametrize("keys", [[], ["short"], [OLD, b"x" * 15], [OLD] * 17, OLD, NEW])
def test_keys_that_are_none_are_refused_without_showing_them(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="signing key") as caught:
        Seal(keys)
    assert not any(str(key) in str(caught.value) for key in keys if isinstance(key, str) and len(key) > 1)


def test_a_seal_shows_nothing_of_its_keys() -> None:
    assert repr(Seal([OLD, NEW])) == "<seal of 2 keys>"


def test_the_signature_of_this_version_is_known_for_ever() -> None:
    assert SEALED.hex().startswith("c101") and SEALED[2 : 2 + MAC_BYTES].hex() == MAC_OF_VERSION_1


MAC_OF_VERSION_1 = "42f90dbe42ed5435959763f57b7a6601a713ca3a9e2516d1"
