"""What an earlier run of this daemon has left for the autoscaler, as the first keeper tells it. Pure."""

from __future__ import annotations

import json
from typing import Any

from tqd.wire.messages import Decided, Remember
from tqd.wire.parts import Whole


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
