"""Signed envelopes: who has the key can tell that the bytes of a task were written by one who has it too.

A sealed envelope is [C1 01] · MAC · envelope; C1 begins no msgpack, so the two are never confused. The MAC
(keyed BLAKE2b, 24 bytes) covers the task's id as well: a payload that is moved to another id does not
fit. Of several keys the first signs and all verify, so that keys can be changed one after the other.
No key, and nothing that is made of one, is in a message or a repr.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import blake2b

from tqd.errors import WireError

LEAST_KEY_BYTES = 16
MOST_KEYS = 16
MAC_BYTES = 24

_MARK = b"\xc1\x01"
_HEAD = len(_MARK) + MAC_BYTES
_PERSON = b"tqd envelope"


class Untrusted(WireError):
    """Raised for a task that is unsigned, or whose signature does not match; `reason` says which."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Seal:
    """Signs with the first key, verifies with all. ValueError: there is none, or one is too short."""

    __slots__ = ("_hashes",)

    def __init__(self, keys: Iterable[bytes | str]) -> None:
        if isinstance(keys, bytes | str):
            raise ValueError("signing keys are a list of keys, as one after the other takes their place")
        raw = [key.encode() if isinstance(key, str) else bytes(key) for key in keys]
        if not 1 <= len(raw) <= MOST_KEYS:
            raise ValueError(f"{len(raw)} signing keys: there are 1 to {MOST_KEYS}")
        for place, key in enumerate(raw, 1):
            if len(key) < LEAST_KEY_BYTES:
                raise ValueError(
                    f"signing key {place} is of {len(key)} bytes: it has {LEAST_KEY_BYTES} or more; "
                    "`openssl rand -hex 32` makes one"
                )
        # A key of any length becomes one of the length that BLAKE2b takes.
        fitting = [blake2b(key, digest_size=32, person=b"tqd key").digest() for key in raw]
        self._hashes = [blake2b(key=key, digest_size=MAC_BYTES, person=_PERSON) for key in fitting]

    def __repr__(self) -> str:
        return f"<seal of {len(self._hashes)} keys>"

    def seal(self, task_id: bytes, envelope: bytes) -> bytes:
        """Return the envelope signed for this task."""
        return b"".join((_MARK, self._mac(0, task_id, envelope), envelope))

    def open(self, task_id: bytes, data: bytes) -> bytes:
        """Return the envelope of a task if its signature holds; else raises Untrusted."""
        if not is_sealed(data):
            raise Untrusted("unsigned", "the task is not signed, and this worker has signing keys")
        mac, envelope = data[len(_MARK) : _HEAD], data[_HEAD:]
        for place in range(len(self._hashes)):
            if hmac.compare_digest(mac, self._mac(place, task_id, envelope)):
                return envelope
        raise Untrusted(
            "signature does not match",
            "the task's signature is of no key of this worker, or its payload was changed or moved here",
        )

    def _mac(self, place: int, task_id: bytes, envelope: bytes) -> bytes:
        mac = self._hashes[place].copy()
        mac.update(len(task_id).to_bytes(4, "big") + task_id)
        mac.update(envelope)
        return mac.digest()


def is_sealed(data: bytes) -> bool:
    """Return whether the bytes are a sealed envelope, by whatever key."""
    return data[: len(_MARK)] == _MARK and len(data) >= _HEAD


def unsealed(data: bytes) -> bytes:
    """Return the envelope in a sealed one, unverified: for those that look, and workers without keys."""
    return data[_HEAD:]
