"""The store against a small model: whatever is called in whatever order, both agree where every task is.

The model is what DESIGN says in words: a task is in one place, only the newest owner moves it, a call
that is repeated changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.redis_server import RedisServer
from tests.support.store_driver import (
    QUEUES,
    StoreDriver,
    bury,
    complete,
    identity,
    numbers,
    park,
    past,
    release,
    retry_at,
)
from tqd.task.claim import Claim, parse_token
from tqd.task.settle import Settlement, reclaimed

WORKERS = ("w1", "w2")
BOTH = (*QUEUES, "low_priority")
workers = st.sampled_from(WORKERS)
queues = st.sampled_from(BOTH)
picks = st.integers(0, 1000)


class StoreMachine(RuleBasedStateMachine):
    """Rules call the store and the model; the invariant compares them."""

    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        self.server.client.flushall()
        self.driver = StoreDriver(self.server)
        self.ready: dict[str, list[int]] = {queue: [] for queue in BOTH}
        self.due: dict[str, dict[int, int]] = {queue: {} for queue in BOTH}
        self.claims: dict[str, dict[int, Claim]] = {worker: {} for worker in WORKERS}
        self.fences: dict[int, int] = {}
        self.ended: dict[int, str] = {}
        self.old_claims: list[tuple[str, Claim]] = []
        self.repeat: Callable[[], None] | None = None
        self.next = 1
        self.runs = 0
        self.bases: dict[int, int] = {}

    @initialize()
    def hire(self) -> None:
        self.driver.hire(*WORKERS)

    def teardown(self) -> None:
        self.driver.close()

    # -- producing -------------------------------------------------------------------------------

    @rule(queue=queues, count=st.integers(1, 4), delay_ms=st.sampled_from([0, 0, 5, 50]))
    def enqueue(self, queue: str, count: int, delay_ms: int) -> None:
        new = list(range(self.next, self.next + count))
        self.next += count
        call, due_ms = self.next, self.driver.now_ms + delay_ms if delay_ms else 0
        stored = self.driver.enqueue(*new, queue=queue, due_ms=due_ms, call=call)
        assert stored == count
        if due_ms:
            self.due[queue].update(dict.fromkeys(new, due_ms))
        else:
            self.ready[queue] += new

        def again() -> None:
            assert self.driver.enqueue(*new, queue=queue, due_ms=due_ms, call=call) == 0

        self.repeat = again

    @rule(ms=st.integers(1, 60))
    def time_goes_by(self, ms: int) -> None:
        self.driver.now_ms += ms

    # -- consuming -------------------------------------------------------------------------------

    @rule(worker=workers, credit=st.integers(0, 6), caps=st.lists(st.integers(0, 4), min_size=2, max_size=2))
    def claim(self, worker: str, credit: int, caps: list[int]) -> None:
        claimed = self.driver.claim(credit, worker, BOTH, caps)
        expected: list[int] = []
        for queue, cap in zip(BOTH, caps, strict=True):
            ripe = [(ms, n) for n, ms in self.due[queue].items() if ms <= self.driver.now_ms]
            for _, number in sorted(ripe):
                del self.due[queue][number]
                self.ready[queue].append(number)
            take = min(cap, credit - len(expected))
            expected += self.ready[queue][:take]
            self.ready[queue] = self.ready[queue][take:]
        assert numbers(claimed) == expected
        waiting = [ms for due in self.due.values() for ms in due.values()]
        assert claimed.next_due_ms == min(waiting, default=0)
        assert claimed.work_left == any(self.ready.values())
        for number, claim in zip(expected, claimed.claims, strict=True):
            fence = parse_token(claim.token)[0].fence
            assert fence == self.fences.get(number, 0) + 1, "the fence rises with each claim"
            self.fences[number] = fence
            self.claims[worker][number] = claim
            self.old_claims.append((worker, claim))

    # -- settling --------------------------------------------------------------------------------

    def held(self) -> list[tuple[str, int]]:
        return [(worker, number) for worker in WORKERS for number in self.claims[worker]]

    def settle(self, pick: int, make: Callable[[Claim, str], Settlement]) -> tuple[int, str]:
        """Settle one claim in hand; returns the task and its queue."""
        worker, number = self.held()[pick % len(self.held())]
        claim = self.claims[worker].pop(number)
        queue = parse_token(claim.token)[1]
        settlement = make(claim, queue)
        assert self.driver.settle(settlement, worker=worker) == []

        def again() -> None:
            assert self.driver.settle(settlement, worker=worker) == [identity(number)]

        self.repeat = again
        return number, queue

    @precondition(lambda self: self.held())
    @rule(pick=picks)
    def complete(self, pick: int) -> None:
        number, _ = self.settle(pick, lambda claim, _: complete(claim))
        self.ended[number] = ""

    @precondition(lambda self: self.held())
    @rule(pick=picks)
    def bury(self, pick: int) -> None:
        number, _ = self.settle(pick, lambda claim, _: bury(claim))
        self.ended[number] = "dead"

    @precondition(lambda self: self.held())
    @rule(pick=picks)
    def park(self, pick: int) -> None:
        number, _ = self.settle(pick, lambda claim, _: park(claim, counts=parse_token(claim.token)[0]))
        self.ended[number] = "parked:later"

    @precondition(lambda self: self.held())
    @rule(pick=picks, delay_ms=st.integers(0, 50))
    def retry(self, pick: int, delay_ms: int) -> None:
        due_ms = self.driver.now_ms + delay_ms

        def later(claim: Claim, queue: str) -> Settlement:
            return retry_at(claim, due_ms, parse_token(claim.token)[0].charged(), queue, past(1))

        number, queue = self.settle(pick, later)
        self.due[queue][number] = due_ms

    @precondition(lambda self: self.held())
    @rule(pick=picks)
    def release(self, pick: int) -> None:
        def back(claim: Claim, queue: str) -> Settlement:
            return release(claim, parse_token(claim.token)[0], queue)

        number, queue = self.settle(pick, back)
        self.ready[queue].insert(0, number)

    @rule(worker=workers)
    def reclaim(self, worker: str) -> None:
        """Give back what a worker holds, as after its death, while it may still settle."""
        held = sorted(self.claims[worker].items())
        self.claims[worker] = {}
        for queue in BOTH:
            back = [number for number, claim in held if parse_token(claim.token)[1] == queue]
            self.ready[queue] = back + self.ready[queue]
        releases = [reclaimed(claim.task_id, claim.token) for _, claim in held]
        assert self.driver.settle(*releases, worker=worker) == []

    # -- dead letters ----------------------------------------------------------------------------

    def dead(self) -> list[int]:
        return sorted(number for number, place in self.ended.items() if place == "dead")

    @precondition(lambda self: self.dead())
    @rule(pick=picks, queue=queues)
    def replay(self, pick: int, queue: str) -> None:
        number = self.dead()[pick % len(self.dead())]
        self.runs += 1
        run = f"run {self.runs}"
        assert self.driver.replay(number, queue=queue, run=run) == [number]
        del self.ended[number]
        self.ready[queue].append(number)
        base = max(self.driver.now_ms, self.bases.get(number, 0) + 100_000)
        assert base > self.fences[number], "the fence rises over a replay, too"
        self.fences[number] = self.bases[number] = base

        def again() -> None:
            assert self.driver.replay(number, queue=queue, run=run) == [number]

        self.repeat = again

    @precondition(lambda self: self.dead())
    @rule(pick=picks)
    def purge(self, pick: int) -> None:
        number = self.dead()[pick % len(self.dead())]
        died_ms = self.driver.client.zscore(self.driver.keys.dead, identity(number))
        assert self.driver.purge((number, int(died_ms or 0))) == [number]
        del self.ended[number]

        def again() -> None:
            assert self.driver.purge((number, int(died_ms or 0))) == []

        self.repeat = again

    # -- what must change nothing ----------------------------------------------------------------

    @precondition(lambda self: self.repeat is not None)
    @rule()
    def repeat_the_last_call(self) -> None:
        assert self.repeat is not None
        self.repeat()

    @precondition(lambda self: self.old_claims)
    @rule(pick=picks)
    def a_late_finisher_changes_nothing(self, pick: int) -> None:
        worker, claim = self.old_claims[pick % len(self.old_claims)]
        number = int.from_bytes(claim.task_id, "big")
        if self.claims[worker].get(number) is not claim:
            assert self.driver.settle(complete(claim), worker=worker) == [claim.task_id]

    @precondition(lambda self: self.held())
    @rule(pick=picks)
    def the_other_worker_cannot_settle(self, pick: int) -> None:
        worker, number = self.held()[pick % len(self.held())]
        stranger = WORKERS[1 - WORKERS.index(worker)]
        claim = self.claims[worker][number]
        assert self.driver.settle(complete(claim), worker=stranger) == [identity(number)]

    # -- both agree ------------------------------------------------------------------------------

    @invariant()
    def a_history_is_kept_of_living_tasks_that_have_failed_only(self) -> None:
        client, keys = self.driver.client, self.driver.keys
        assert set(client.hkeys(keys.errors)) <= set(client.hkeys(keys.attempts))  # type: ignore[arg-type]
        assert set(client.hkeys(keys.attempts)) <= set(client.hkeys(keys.task))  # type: ignore[arg-type]

    @invariant()
    def every_task_is_where_the_model_says(self) -> None:
        expected = {number: place for number, place in self.ended.items() if place}
        for queue in BOTH:
            expected |= dict.fromkeys(self.ready[queue], f"ready:{queue}")
            expected |= dict.fromkeys(self.due[queue], f"due:{queue}")
            assert self.driver.order(queue) == self.ready[queue]
            assert self.driver.rings(queue) <= 1
        for worker in WORKERS:
            expected |= dict.fromkeys(self.claims[worker], f"claims:{worker}")
        assert self.driver.places() == expected


@pytest.fixture
def machine(redis_server: RedisServer) -> Iterator[type[StoreMachine]]:
    class Machine(StoreMachine):
        server = redis_server

    yield Machine


def test_the_store_does_what_the_model_says(machine: type[StoreMachine]) -> None:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=slow),
    )
