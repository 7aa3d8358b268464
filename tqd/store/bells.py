"""Ringing from outside a script: waking a worker for each of some queues."""

from __future__ import annotations

from collections.abc import Sequence

from tqd.store.connection import Link


async def ring(link: Link, bells: Sequence[str]) -> None:
    """Put a token where there is none; a bell that is a key of another kind is passed over."""
    lengths = await link.exchange([("LLEN", bell) for bell in bells])
    silent = [bell for bell, length in zip(bells, lengths, strict=True) if length == 0]
    if silent:
        await link.exchange([("RPUSH", bell, 1) for bell in silent])
