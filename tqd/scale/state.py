"""What the autoscaler remembers between two steps, as one value."""

from __future__ import annotations

from typing import NamedTuple

from tqd.scale.adapt import Learned
from tqd.scale.hysteresis import Changes
from tqd.scale.manual import Order
from tqd.scale.records import Records


class State(NamedTuple):
    """All of it. A fresh one knows nothing, and is what a new daemon begins with.

    `turns` is for how many proposals in a row this daemon's part of a shared step was none, `cramped`
    for how many samples in a row more workers were there than fit into memory. `advised`: what stands in
    `changes` was only told, and not done.
    """

    at: float | None = None
    records: Records = Records()
    changes: Changes = Changes()
    learned: Learned = Learned()
    order: Order | None = None
    turns: int = 0
    cramped: int = 0
    advised: bool = False
