"""Task ids: 16 bytes that sort by time, say which shard holds the task, and cannot be guessed.

Layout, big-endian: 48 bits epoch ms · 4 bits version · 12 bits shard · 64 random bits.
As text they are 32 hexadecimal digits.
"""

from __future__ import annotations

ID_BYTES = 16
NOISE_BYTES = 8
MAX_SHARD = 0xFFF
_VERSION = 1
_MAX_MS = (1 << 48) - 1


def task_id(epoch_ms: int, shard: int, noise: bytes) -> bytes:
    """Return the id made of a time, a shard number and 8 random bytes."""
    return _head(epoch_ms, shard) + noise


def task_ids(epoch_ms: int, shard: int, noise: bytes) -> list[bytes]:
    """Return as many ids of one moment as there are 8 random bytes."""
    head = _head(epoch_ms, shard)
    return [head + noise[place : place + NOISE_BYTES] for place in range(0, len(noise), NOISE_BYTES)]


def _head(epoch_ms: int, shard: int) -> bytes:
    return ((epoch_ms & _MAX_MS) << 16 | _VERSION << 12 | shard).to_bytes(8, "big")


def shard_of(identity: bytes) -> int:
    """Return the number of the shard that holds the task."""
    return int.from_bytes(identity[6:8], "big") & MAX_SHARD


def created_ms(identity: bytes) -> int:
    """Return when the id was made, in epoch milliseconds of the producer's clock."""
    return int.from_bytes(identity[:6], "big")


def to_text(identity: bytes) -> str:
    """Return the id as users see it."""
    return identity.hex()


def from_text(text: str) -> bytes:
    """Return the id that a user typed; ValueError when it is none."""
    try:
        identity = bytes.fromhex(text)
    except ValueError:
        identity = b""
    if len(identity) != ID_BYTES or text != text.lower() or len(text) != 2 * ID_BYTES:
        raise ValueError(f"{text!r} is not a task id: an id is {2 * ID_BYTES} hexadecimal digits")
    return identity
