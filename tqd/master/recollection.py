"""What an earlier run of this daemon has left for the autoscaler, as the first keeper tells it. Pure."""

from __future__ import annotations

import json
from typing import Any

from tqd.wire.messages import Decided, Remember
from tqd.wire.parts import Whole


class Recollection:
    """`data` is None until all of it is there; `decisions` are the last ones, the newest last."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.decisions: list[dict[str, Any]] = []
        self._whole = Whole()

    def take(self, message: Remember | Decided) -> None:
        """Take in a part. Of later keepers nothing is taken: the master knows better by then."""
        if self.data is not None:
            return
        if isinstance(message, Remember):
            self.data = self._whole.take(message)
            return
        try:
            decision = json.loads(message.data)
        except (ValueError, RecursionError):
            return  # nobody of ours wrote this
        if isinstance(decision, dict):
            self.decisions.append(decision)
