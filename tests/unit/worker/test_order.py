"""The order of the queues: strict, but nobody starves."""

from __future__ import annotations

import itertools

from tqd.worker.order import QueueOrder

HIGH, DEFAULT, LOW = QUEUES = ("high_priority", "default", "low_priority")
PATIENCE_S = 5.0


def order() -> QueueOrder:
    return QueueOrder(QUEUES, PATIENCE_S, now=0.0)


def first(order: QueueOrder, now: float, credit: int = 8) -> str:
    return order.caps(credit, now)[0][0]


def test_without_starvation_the_order_is_strict_and_each_may_give_all() -> None:
    assert order().caps(8, 1.0) == [(HIGH, 8), (DEFAULT, 8), (LOW, 8)]


def test_a_starving_queue_is_asked_first_for_a_quarter_of_the_credit() -> None:
    served = order()
    served.served([HIGH], True, 4.0)
    caps = served.caps(8, PATIENCE_S)
    assert caps == [(DEFAULT, 2), (HIGH, 8), (DEFAULT, 8), (LOW, 8)]


def test_a_starving_queue_gets_at_least_one() -> None:
    assert order().caps(1, PATIENCE_S)[0] == (HIGH, 1)


def test_a_starving_queue_is_served_once_and_then_waits_again() -> None:
    served = order()
    for tick in range(50):
        served.served([HIGH], True, tick / 10)
    assert first(served, 5.0) == DEFAULT
    served.served([DEFAULT, HIGH], True, 5.0)
    assert first(served, 5.1) == LOW
    served.served([LOW, HIGH], True, 5.1)
    assert first(served, 5.2) == HIGH and len(served.caps(8, 5.2)) == 3
    served.served([HIGH], True, 9.9)
    assert first(served, 10.0) == DEFAULT


def test_an_always_empty_queue_never_shadows_a_starving_one() -> None:
    served = order()
    gave: list[float] = []
    for step in range(1, 400):
        now = step / 10
        favoured = served.caps(8, now)[0][0] if len(served.caps(8, now)) == 4 else None
        # `default` is always empty; `high` never is; `low` gives when it is asked first.
        givers = [HIGH, *([LOW] if favoured == LOW else [])]
        if favoured == LOW:
            gave.append(now)
        served.served(givers, True, now)
    assert len(gave) >= 6
    assert max(later - earlier for earlier, later in itertools.pairwise(gave)) <= PATIENCE_S + 0.3


def test_queues_before_one_that_gave_were_emptied_first() -> None:
    served = order()
    served.served([LOW], True, 4.9)
    assert len(served.caps(8, 5.0)) == 3, "nobody starves: high and default had nothing"


def test_without_work_left_nobody_waits() -> None:
    served = order()
    served.served([], False, 4.9)
    assert len(served.caps(8, 5.0)) == 3


def test_the_queue_that_waited_longest_comes_first() -> None:
    served = order()
    served.served([HIGH], True, 1.0)
    served.caps(8, 5.5)
    served.served([DEFAULT], True, 5.5)
    assert first(served, 7.0) == LOW
