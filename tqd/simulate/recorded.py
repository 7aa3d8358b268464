"""What workers have told of the tasks that ran, as a trace. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tqd.simulate.trace import Arrival


def arrivals(rows: Iterable[Sequence[Any]]) -> list[Arrival]:
    """Return the rows, [arrival ms, run µs, queue, name], in the order of arrival; the first came at 0 s.

    What is no row of ours is left out.
    """
    sound = [row for row in rows if _sound(row)]
    sound.sort(key=lambda row: row[0])
    begin_ms = sound[0][0] if sound else 0
    return [
        Arrival((arrival_ms - begin_ms) / 1000, run_us / 1_000_000, queue, name)
        for arrival_ms, run_us, queue, name in sound
    ]


def _sound(row: Sequence[Any]) -> bool:
    match row:
        case [int(), int(run_us), str(), str()]:
            return run_us >= 0
    return False
