"""Whom the reaper takes for dead, and in which order it acts. The store is a small one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence, Set
from typing import Any

import pytest

from tqd.errors import StoreMismatch
from tqd.keeper.culprit import Culprit, read_culprit
from tqd.keeper.reaper import Reaper, dead_processes
from tqd.log import Log
from tqd.task.claim import Blame
from tqd.task.names import NodeName, WorkerName
from tqd.task.settle import Bury, Dismiss, RetryAt, Settlement
from tqd.wire.envelope import encode_envelope

OURS = NodeName("shop", "host", "run2")
BEFORE = NodeName("shop", "host", "run1")
MOVED = NodeName("shop", "other", "run1")
STRANGER = NodeName("bakery", "host", "run1")
MAX_DEAD = 10
LIVING = {100: 5}
"""Pid → start of the processes that exist."""


class MemoryStore:
    """Nodes, workers, claims, and what was done in which order."""

    def __init__(self) -> None:
        self.leases: dict[str, float] = {}
        self.may_claim: dict[str, set[str]] = {}
        self.lost: set[str] = set()
        self.claims: dict[str, int] = {}
        self.tokens: dict[bytes, bytes] = {}
        self.envelopes: dict[bytes, bytes] = {}
        self.marks: dict[bytes, bytes] = {}
        self.settled: list[Settlement] = []
        self.refusal: Exception | None = None
        self.blames: dict[str, Blame] = {}
        self.suspects: dict[str, set[bytes]] = {}
        self.queued = 0
        self.uptime_s = 1000.0
        self.rings = 0
        self.done: list[tuple[str, str]] = []

    def add(self, node: NodeName, label: str, pid: int, start: int, lease_s: float, held: int = 1) -> str:
        name = str(WorkerName(str(node), label, pid, start))
        self.leases.setdefault(str(node), lease_s)
        self.may_claim.setdefault(str(node), set()).add(name)
        self.claims[name] = held
        return name

    async def nodes(self) -> list[str]:
        return sorted(self.leases)

    async def expired_nodes(self) -> list[str]:
        return [node for node, lease_s in self.leases.items() if lease_s <= 0 and node != str(OURS)]

    async def redis_uptime_s(self) -> float:
        return self.uptime_s

    async def workers(self, node: str) -> list[str]:
        return sorted(self.may_claim.get(node, ()))

    async def fence(self, node: str, workers: Iterable[str]) -> None:
        for worker in list(workers):
            if worker in self.may_claim.get(node, ()):
                self.may_claim[node].discard(worker)
                self.lost.add(worker)
                self.done.append(("fence", worker))

    async def lost_workers(self) -> list[str]:
        return sorted(self.lost)

    def now_ms(self) -> int:
        return 1_000_000

    async def envelope(self, identity: bytes) -> bytes | None:
        return self.envelopes.get(identity)

    async def held(self, worker: str) -> dict[bytes, bytes]:
        return self.tokens

    async def mark(self, identity: bytes) -> bytes | None:
        return self.marks.get(identity)

    async def settle(self, worker: str, settlement: Settlement, max_dead: int) -> bool:
        assert max_dead == MAX_DEAD
        if not self.tokens:
            assert worker not in self.lost, "another keeper could take it back before it is settled"
        self.done.append(("settle", worker))
        if self.refusal is not None:
            raise self.refusal
        self.settled.append(settlement)
        return True

    async def reclaim(self, worker: str, blame: Blame, suspects: Set[bytes]) -> int:
        self.blames[worker] = blame
        self.suspects[worker] = set(suspects)
        assert not any(worker in workers for workers in self.may_claim.values()), "reclaimed before fenced"
        self.done.append(("reclaim", worker))
        self.lost.discard(worker)
        count = self.claims.pop(worker, 0)
        self.queued += count
        return count

    async def forget_node(self, node: str) -> None:
        assert not self.may_claim.get(node), "a node with workers is forgotten"
        self.leases.pop(node, None)

    async def ring(self, queues: Sequence[str]) -> None:
        self.rings += 1


def reaper(store: MemoryStore) -> Reaper:
    return Reaper(store, OURS, ("default",), MAX_DEAD, LIVING.get, Log())  # type: ignore[arg-type]


def do(duty: Coroutine[Any, Any, None]) -> None:
    asyncio.run(duty)


def test_a_worker_is_fenced_before_it_is_reclaimed() -> None:
    store = MemoryStore()
    worker = store.add(OURS, "w", 1, 1, 10, held=3)
    keeper = reaper(store)
    do(keeper.worker_gone(worker))
    assert store.done == [("fence", worker), ("reclaim", worker)]
    assert (store.queued, keeper.reclaimed) == (3, 3)
    assert store.rings > 0


@pytest.mark.parametrize("duty", ["reap_processes", "reap_nodes"])
def test_all_of_a_dead_node_are_fenced_before_the_first_is_reclaimed(duty: str) -> None:
    store = MemoryStore()
    for label in ("a", "b", "c"):
        store.add(BEFORE, label, 1, 1, -1)
    keeper = reaper(store)
    do(keeper.reap_processes() if duty == "reap_processes" else keeper.reap_nodes(15))
    assert [what for what, _ in store.done] == ["fence"] * 3 + ["reclaim"] * 3
    assert str(BEFORE) not in store.leases


def test_leftovers_of_another_keeper_are_finished() -> None:
    store = MemoryStore()
    worker = store.add(MOVED, "w", 1, 1, 10, held=2)
    do(store.fence(str(MOVED), [worker]))
    do(reaper(store).reap_lost())
    assert (store.queued, store.lost) == (2, set())


def test_expired_nodes_are_not_reaped_within_one_lease_of_redis_start() -> None:
    store = MemoryStore()
    store.add(STRANGER, "w", 1, 1, -100)
    store.uptime_s = 14.9
    do(reaper(store).reap_nodes(15))
    assert store.done == [] and str(STRANGER) in store.leases
    store.uptime_s = 15.0
    do(reaper(store).reap_nodes(15))
    assert store.queued == 1 and str(STRANGER) not in store.leases


def test_the_dead_are_taken_over_from_although_redis_clock_was_set_back_before_its_start() -> None:
    store = MemoryStore()
    store.add(STRANGER, "w", 1, 1, -100)
    store.uptime_s = -3500.0
    do(reaper(store).reap_nodes(15))
    assert store.queued == 1


def test_a_node_with_a_lease_is_left_alone() -> None:
    store = MemoryStore()
    store.add(STRANGER, "w", 1, 1, 1)
    do(reaper(store).reap_nodes(15))
    assert store.done == []


def test_an_earlier_run_loses_its_dead_and_keeps_its_living() -> None:
    store = MemoryStore()
    dead = store.add(BEFORE, "dead", 1, 1, 10)
    living = store.add(BEFORE, "living", 100, LIVING[100], 10)
    do(reaper(store).reap_processes())
    assert store.done == [("fence", dead), ("reclaim", dead)]
    assert store.may_claim[str(BEFORE)] == {living}
    assert str(BEFORE) in store.leases, "it is forgotten when nobody of it is left"


def test_another_process_with_the_pid_of_a_dead_one_saves_it_not() -> None:
    store = MemoryStore()
    dead = store.add(BEFORE, "w", 100, LIVING[100] - 1, 10)
    do(reaper(store).reap_processes())
    assert ("reclaim", dead) in store.done


@pytest.mark.parametrize("node", [MOVED, STRANGER, NodeName("shop", "host", "")])
def test_only_our_own_runs_on_this_host_are_judged_by_their_processes(node: NodeName) -> None:
    store = MemoryStore()
    store.add(node, "w", 1, 1, 10)
    do(reaper(store).reap_processes())
    assert bool(store.done) == (node.name == "shop" and node.host == "host")


def test_our_own_node_is_never_forgotten_by_its_own_keeper() -> None:
    store = MemoryStore()
    store.add(OURS, "w", 1, 1, 10)
    do(reaper(store).reap_processes())
    assert store.queued == 1 and str(OURS) in store.leases


def test_a_death_that_will_be_told_is_waited_for() -> None:
    store = MemoryStore()
    told = store.add(OURS, "told", 1, 1, 10)
    other = store.add(OURS, "other", 2, 1, 10)
    do(reaper(store).reap_processes({told}))
    assert store.done == [("fence", other), ("reclaim", other)]


def test_names_that_are_none_of_ours_are_passed_over() -> None:
    store = MemoryStore()
    store.leases |= {"": 10, "x": 10, "a~b": 10, "a~b~c~d": 10}
    do(reaper(store).reap_processes())
    assert dead_processes(["", "x", "a~b~c", "a~b~c~d", "a~b~c~w~1~x"], LIVING.get) == []


def test_duties_may_be_repeated() -> None:
    store = MemoryStore()
    worker = store.add(OURS, "w", 1, 1, 10, held=2)
    keeper = reaper(store)
    for _ in range(3):
        do(keeper.worker_gone(worker))
        do(keeper.reap_lost())
        do(keeper.reap_processes())
    assert (store.queued, keeper.reclaimed) == (2, 2)


# -- a worker that was killed because of one attempt ---------------------------------------------


def culprit(retries: int = 3, token: bytes = b"1:0:0:default") -> Culprit:
    found = read_culprit([b"i" * 16, token, "HardTimeout", "blocked", retries, 1.0, 60.0, 0.0, 0.0])
    assert found is not None
    return found


def killed(store: MemoryStore, culprit: Culprit) -> Reaper:
    store.envelopes.setdefault(b"i" * 16, b"payload")
    worker = store.add(OURS, "w", 1, 1, 10, held=2)
    keeper = reaper(store)
    do(keeper.worker_gone(worker, culprit))
    return keeper


def test_the_culprit_is_settled_first_and_then_the_rest_goes_back_unblamed() -> None:
    store = MemoryStore()
    keeper = killed(store, culprit())
    assert [what for what, _ in store.done] == ["settle", "fence", "reclaim"]
    assert list(store.blames.values()) == [Blame.NONE] and keeper.reclaimed == 2
    (settlement,) = store.settled
    assert isinstance(settlement, RetryAt) and settlement.counts.attempts == 1


def test_a_culprit_without_retries_is_buried_with_its_payload() -> None:
    store = MemoryStore()
    killed(store, culprit(retries=0))
    (settlement,) = store.settled
    assert isinstance(settlement, Bury)
    assert settlement.claim.envelope == b"payload"


def test_a_culprit_that_was_cancelled_ends_as_cancelled_whatever_it_was_killed_for() -> None:
    store = MemoryStore()
    store.marks[b"i" * 16] = b"999:no longer needed"
    killed(store, culprit(retries=3))
    (settlement,) = store.settled
    assert isinstance(settlement, Dismiss) and settlement.asked
    assert (settlement.task_id, settlement.reason) == (b"i" * 16, "no longer needed")


def test_without_a_culprit_everything_that_was_held_is_blamed() -> None:
    store = MemoryStore()
    worker = store.add(OURS, "w", 1, 1, 10)
    do(reaper(store).worker_gone(worker))
    assert (store.blames, store.settled) == ({worker: Blame.CRASH}, [])


def test_of_a_worker_that_is_just_found_dead_nobody_knows_why() -> None:
    store = MemoryStore()
    worker = store.add(BEFORE, "w", 1, 1, 10)
    do(reaper(store).reap_processes())
    assert store.blames == {worker: Blame.LOST}


def test_a_suspect_is_taken_back_as_one_and_others_are_not_given_up_for_its_death() -> None:
    store = MemoryStore()
    store.tokens = {b"i" * 16: b"9:1:9:mail", b"j" * 16: b"9:1:0:mail"}
    worker = store.add(OURS, "w", 1, 1, 10, held=2)
    do(reaper(store).worker_gone(worker, None, Blame.CRASH, b"j" * 16))
    assert (store.suspects, store.settled) == ({worker: {b"j" * 16}}, [])
    assert store.blames == {worker: Blame.NONE}, "the others"


def test_what_two_workers_held_that_were_killed_one_after_the_other_is_suspect() -> None:
    store = MemoryStore()
    one, two, three = (store.add(OURS, "w", number, 1, 10, held=2) for number in (1, 2, 3))
    keeper = reaper(store)
    store.tokens = {b"i" * 16: b"1:0:0:mail", b"j" * 16: b"1:0:0:mail"}
    do(keeper.worker_gone(one, None, Blame.KILL))
    store.tokens = {b"j" * 16: b"2:0:101:mail", b"k" * 16: b"1:0:0:mail"}
    do(keeper.worker_gone(two, None, Blame.AGAIN))
    do(keeper.worker_gone(three, None, Blame.KILL))
    assert store.suspects == {one: set(), two: {b"j" * 16}, three: set()}


@pytest.mark.parametrize("trouble", ["refused", "no token of ours", "no such task"])
def test_a_culprit_that_cannot_be_settled_goes_back_with_the_others(trouble: str) -> None:
    store = MemoryStore()
    store.envelopes = {b"i" * 16: b"payload"} if trouble != "no such task" else {b"j" * 16: b""}
    if trouble == "refused":
        store.refusal = StoreMismatch("a key of another kind")
    worker = store.add(OURS, "w", 1, 1, 10, held=2)
    keeper = reaper(store)
    do(keeper.worker_gone(worker, culprit(token=b"x" if trouble == "no token of ours" else b"1:0:0:q")))
    assert (store.settled, keeper.reclaimed) == ([], 2)


# -- what has cost too many workers ---------------------------------------------------------------


def test_what_has_cost_too_many_workers_is_buried_and_the_rest_goes_back() -> None:
    store = MemoryStore()
    store.tokens = {b"i" * 16: b"9:1:9:mail", b"j" * 16: b"9:1:8:mail", b"k" * 16: b"garbage"}
    store.envelopes = dict.fromkeys(store.tokens, b"payload")
    worker = store.add(OURS, "w", 1, 1, 10, held=3)
    do(reaper(store).worker_gone(worker))
    assert [what for what, _ in store.done] == ["fence", "settle", "reclaim"]
    (settlement,) = store.settled
    assert isinstance(settlement, Bury)
    assert (settlement.claim.task_id, settlement.reason) == (b"i" * 16, "killed its worker")
    (error,) = settlement.errors
    assert (
        error.message == f"10 workers died while they held this task, the last one {worker}: no other gets it"
    )
    assert "arguments  cannot be read" in error.traceback


def test_nothing_is_buried_for_a_death_that_has_another_reason() -> None:
    store = MemoryStore()
    store.tokens = {b"i" * 16: b"9:1:9:mail"}
    worker = store.add(OURS, "w", 1, 1, 10)
    do(reaper(store).worker_gone(worker, None, Blame.NONE))
    assert (store.settled, store.blames) == ([], {worker: Blame.NONE})


def test_a_task_that_killed_its_worker_is_buried_with_the_report_and_a_digest() -> None:
    store = MemoryStore()
    store.envelopes[b"i" * 16] = encode_envelope("shop.pay", ["secret"], {"to": 1}, "mail", 1)
    values = [b"i" * 16, b"3:0:2:mail", "WorkerCrashed", "killed by SIGSEGV", 3, 1.0, 60.0, 0.0, 0.0]
    killed(store, read_culprit(values, "task  shop.pay\nlast stack") or culprit())
    (settlement,) = store.settled
    assert isinstance(settlement, Bury) and settlement.reason == "killed its worker"
    (error,) = settlement.errors
    assert error.traceback.startswith("task  shop.pay\nlast stack\narguments  digest ")
    assert "1 by position, 1 by name" in error.traceback and "secret" not in error.traceback
    assert "Python 3." in error.traceback
