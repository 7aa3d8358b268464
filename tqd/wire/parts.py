"""Data that is larger than a frame, in parts, over a pipe that may drop any of them.

The parts of one whole are numbered from 0. Whoever misses one has no use for the others, and waits for the
next whole.
"""

from __future__ import annotations

from tqd.wire.messages import Remember

PART_BYTES = 3_500
MOST_PARTS = 32


def parted(data: bytes) -> list[Remember]:
    """Return the messages that carry the data; ValueError for more than 112,000 bytes."""
    pieces = [data[start : start + PART_BYTES] for start in range(0, len(data), PART_BYTES)] or [b""]
    if len(pieces) > MOST_PARTS:
        raise ValueError(f"{len(data)} bytes are to be remembered: it is at most {MOST_PARTS * PART_BYTES}")
    return [Remember(part, part == len(pieces) - 1, piece) for part, piece in enumerate(pieces)]


class Whole:
    """Puts parts together; one that is missing loses the whole."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def take(self, message: Remember) -> bytes | None:
        """Take in one part; returns the data with the last one."""
        if message.part == 0:
            self._pieces = []
        if message.part != len(self._pieces):
            self._pieces = [b""] * (MOST_PARTS + 1)  # nothing fits behind that but another beginning
            return None
        self._pieces.append(message.data)
        return b"".join(self._pieces) if message.last else None
