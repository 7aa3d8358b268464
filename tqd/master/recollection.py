"""What a run of this daemon leaves for the autoscaler of the next one, as the first keeper tells it. Pure."""

from __future__ import annotations

import json
import zlib
from typing import Any

from tqd.scale.saved import dump, load
from tqd.scale.state import State
from tqd.wire.messages import Decided, Remember
from tqd.wire.parts import Whole

MOST_AWAY_MS = 30 * 86_400_000
"""How long ago a state can have been saved: Redis keeps it no longer."""

_MOST_BYTES = 1_048_576


def packed(state: State, now: float, at_ms: int) -> bytes:
    """Return the state as it is kept; `at_ms` is when, in epoch ms."""
    return zlib.compress(json.dumps({"at_ms": at_ms, "state": dump(state, now)}).encode())


def unpacked(data: bytes, now: float, at_ms: int) -> tuple[State, str]:
    """Return the state that `packed` has packed, and why it is a fresh one instead, if it is.

    `at_ms` is now in epoch ms: the time since then has passed for its cooldowns, too.
    """
    try:
        saved = json.loads(zlib.decompressobj().decompress(data, _MOST_BYTES))
        away_ms = max(0, min(MOST_AWAY_MS, at_ms - int(saved["at_ms"])))
        return load(saved["state"], now, away_ms / 1000)
    except (zlib.error, ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        return State(), f"what it had learnt cannot be read: {error}"


class Recollection:
    """`over` once all of it is there: `data`, and the last `decisions`, the newest last."""

    def __init__(self) -> None:
        self.over = False
        self.data: bytes | None = None
        self.decisions: list[dict[str, Any]] = []
        self._whole = Whole()

    def take(self, message: Remember | Decided) -> None:
        """Take in a part. The first one begins anew: a keeper may have ended in the middle of its words."""
        if self.over:
            return
        if isinstance(message, Remember):
            if message.part == 0:
                self.decisions = []
            self.data = self._whole.take(message)
            return
        try:
            decision = json.loads(message.data)
        except (ValueError, RecursionError):
            return  # nobody of ours wrote this
        if isinstance(decision, dict):
            self.decisions.append(decision)

    def close(self) -> None:
        """Note that a keeper has said all. Of later ones nothing is taken: the master knows better then."""
        self.over = self.over or self.data is not None
