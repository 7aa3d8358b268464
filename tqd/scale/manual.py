"""`tqd scale N`: an operator's number, which holds for a while beside the autoscaler's own. Pure.

A number above the present one is a floor: the load may ask for more, and then the order is at its end. A
number below is a lid: it ends when the load asks loudly enough, by missing the wait goal. An order for none
at all is ended by time alone. The number may lie outside `min_workers` to `max_workers`.
"""

from __future__ import annotations

from dataclasses import dataclass

HOLD_S = 600.0
"""How long an order holds."""

MOST_WORKERS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An operator's number of workers, until `until` on the monotonic clock; a floor, or else a lid."""

    workers: int
    floor: bool
    until: float


def order(workers: int, present: int, now: float, hold_s: float = HOLD_S) -> Order:
    """Return the order for `workers` (0 to 1024 are meant; what is outside is moved there)."""
    number = max(0, min(MOST_WORKERS, workers))
    return Order(workers=number, floor=number >= present, until=now + max(0.0, hold_s))


def bounds(order: Order | None, low: int, high: int) -> tuple[int, int]:
    """Return the smallest and the largest number that are allowed while the order holds."""
    if order is None:
        return low, high
    if order.floor:
        return max(low, order.workers), max(high, order.workers)
    return min(low, order.workers), min(high, order.workers)
