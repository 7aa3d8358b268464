"""The weighted order of the queues: shares by weight, and what nobody takes is for all."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tqd.worker.weighted import WeightedOrder

HIGH, DEFAULT, LOW = QUEUES = ("high_priority", "default", "low_priority")
WEIGHTS = {HIGH: 3.0, DEFAULT: 1.0, LOW: 0.3}


class Store:
    """Claims as the script does; a queue without a number of tasks never ends."""

    def __init__(self, **waiting: float) -> None:
        self.waiting = {queue: float("inf") for queue in QUEUES} | waiting

    def claim(self, order: WeightedOrder, credit: int) -> Counter[str]:
        taken: Counter[str] = Counter()
        for queue, cap in order.caps(credit, 0.0):
            take = int(min(cap, credit - taken.total(), self.waiting[queue]))
            self.waiting[queue] -= take
            taken[queue] += take
        order.served([queue for queue in taken if taken[queue]], any(self.waiting.values()), 0.0)
        return taken


def share(store: Store, credits: list[int], weights: dict[str, float] = WEIGHTS) -> Counter[str]:
    order = WeightedOrder(QUEUES, weights)
    return sum((store.claim(order, credit) for credit in credits), Counter())


@settings(max_examples=50, deadline=None)
@given(
    credits=st.lists(st.integers(1, 60), min_size=20, max_size=200),
    weights=st.tuples(*[st.sampled_from([0.01, 0.3, 1.0, 3.0, 100.0])] * 3),
)
def test_full_queues_get_their_shares_to_within_some_tasks(
    credits: list[int], weights: tuple[float, float, float]
) -> None:
    taken = share(Store(), credits, dict(zip(QUEUES, weights, strict=True)))
    for queue, weight in zip(QUEUES, weights, strict=True):
        assert abs(taken[queue] - sum(credits) * weight / sum(weights)) <= len(QUEUES)


@settings(max_examples=50, deadline=None)
@given(credits=st.lists(st.integers(1, 60), min_size=20, max_size=200), idle=st.sampled_from(QUEUES))
def test_an_idle_queue_leaves_its_share_to_the_others_by_their_weights(credits: list[int], idle: str) -> None:
    taken = share(Store(**{idle: 0}), credits)
    others = [queue for queue in QUEUES if queue != idle]
    assert taken.total() == sum(credits), "no slot stays empty"
    for queue in others:
        exact = sum(credits) * WEIGHTS[queue] / sum(WEIGHTS[other] for other in others)
        assert abs(taken[queue] - exact) <= len(QUEUES) + max(credits)  # the first claim is by all three


@settings(max_examples=100, deadline=None)
@given(
    credits=st.lists(st.integers(1, 60), min_size=1, max_size=50),
    waiting=st.tuples(*[st.integers(0, 500)] * 3),
)
def test_nothing_waits_while_there_is_credit(credits: list[int], waiting: tuple[int, int, int]) -> None:
    store = Store(**dict(zip(QUEUES, waiting, strict=True)))
    order = WeightedOrder(QUEUES, WEIGHTS)
    for credit in credits:
        before = sum(store.waiting.values())
        assert store.claim(order, credit).total() == min(credit, before)


@pytest.mark.parametrize("credit", [1, 7, 50])
def test_a_queue_that_gets_tasks_after_a_pause_is_served_in_the_next_claim(credit: int) -> None:
    store, order = Store(low_priority=0), WeightedOrder(QUEUES, WEIGHTS)
    for _ in range(100):
        store.claim(order, credit)
    store.waiting[LOW] = float("inf")
    assert store.claim(order, credit)[LOW] >= 1


def test_a_pause_earns_no_share_afterwards() -> None:
    store, order = Store(low_priority=0), WeightedOrder(QUEUES, WEIGHTS)
    for _ in range(1000):
        store.claim(order, 10)
    store.waiting[LOW] = float("inf")
    taken = sum((store.claim(order, 10) for _ in range(43)), Counter())
    assert taken[LOW] <= 430 * 0.3 / 4.3 + 3


def test_a_trickle_in_one_queue_gets_no_more_than_its_share_while_the_others_are_full() -> None:
    store, order = Store(low_priority=0), WeightedOrder(QUEUES, WEIGHTS)
    taken: Counter[str] = Counter()
    for _ in range(860):
        store.waiting[LOW] = min(1.0, store.waiting[LOW] + 1)
        taken += store.claim(order, 1)
    assert taken[LOW] <= 2 * 860 * 0.3 / 4.3 + 3
    assert taken[DEFAULT] >= 0.8 * 860 / 4.3


def test_a_queue_without_a_weight_weighs_one() -> None:
    taken = share(Store(), [40] * 10, {HIGH: 2.0})
    assert taken == {HIGH: 200, DEFAULT: 100, LOW: 100}


def test_without_work_left_nobody_is_thought_idle() -> None:
    order = WeightedOrder(QUEUES, WEIGHTS)
    order.caps(10, 0.0)
    order.served([], False, 0.0)
    assert [queue for queue, _ in order.caps(43, 0.0)] == [*QUEUES, *QUEUES]
    assert dict(order.caps(43, 0.0)[:3]) == {HIGH: 30, DEFAULT: 10, LOW: 3}
