"""The store against a small model, on every engine: whatever is called in whatever order, both agree.

The stores of a producer, of three workers and a probe on two nodes and of two keepers are called; replies
get lost, workers die, are fenced and taken back by both keepers, owners come late, scripts are forgotten
and Redis is killed and started again. After each step everything in Redis is compared with the model, and
audited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

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

from tests.support.engines import Engine
from tests.support.redis_server import RedisServer
from tests.support.store_driver import (
    StoreDriver,
    bury,
    complete,
    finish,
    identity,
    park,
    past,
    release,
    retry_at,
)
from tests.support.store_model import StoreModel
from tqd.schedule.entry import Entry
from tqd.store import settling
from tqd.store.audit import audit
from tqd.store.calls import NewTask, store_new
from tqd.store.cancelling import cancel_call
from tqd.store.connection import Endpoint, SyncLink
from tqd.store.cron_table import Fired
from tqd.store.node_store import NodeStore
from tqd.store.queues import purge_call
from tqd.store.snapshot import Snapshot
from tqd.store.worker_store import WorkerStore
from tqd.task.cancelling import CancelMark
from tqd.task.claim import Claim, Counts, parse_token
from tqd.task.model import NO_OPTIONS, TaskState
from tqd.task.queue_limit import QueueLimit
from tqd.task.settle import Completes, Settlement, reclaimed
from tqd.task.uniqueness import UniqueKey, UniqueScope
from tqd.wire.envelope import Envelope

T = TypeVar("T")
NODES = {"w1": "a", "w2": "a", "w3": "b", "probe": "b"}
WORKERS, PROBE = tuple(NODES), "probe"
QUEUES = ("default", "low_priority")
LEASE_MS, MAX_DEAD, MOST_RUNNING = 400, 3, 3
workers = st.sampled_from(WORKERS)
queues = st.sampled_from(QUEUES)
nodes = st.sampled_from(("a", "b"))
picks = st.integers(0, 1000)
limit_keys = st.sampled_from(["", "", "a", "b:c"])
scopes = st.sampled_from(list(UniqueScope))
MARK = CancelMark(asked_ms=1, reason="why")
limits = st.lists(st.sampled_from([6, 3, 1, 0]), min_size=len(QUEUES), max_size=len(QUEUES))
Way = Callable[[Claim, int], Settlement]


def counts(claim: Claim) -> Counts:
    return parse_token(claim.token)[0]


def queue_of(claim: Claim) -> str:
    return parse_token(claim.token)[1]


WAYS: dict[str, Way] = {
    "complete": lambda claim, _: complete(claim),
    "completes": lambda claim, _: Completes([claim.task_id, claim.token]),
    "finish": lambda claim, _: finish(claim),
    "bury": lambda claim, _: bury(claim),
    "bury and tell": lambda claim, _: bury(claim, ttl_ms=60_000),
    "retry": lambda claim, due_ms: retry_at(claim, due_ms, counts(claim).charged(), queue_of(claim), past(1)),
    "release": lambda claim, _: release(claim, counts(claim), queue_of(claim)),
    "park": lambda claim, _: park(claim, counts=counts(claim)),
}
ways = st.sampled_from(sorted(WAYS))


class StoreMachine(RuleBasedStateMachine):
    """Rules call the stores and the model; the invariants compare them."""

    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        if not self.server.running:
            self.server.start()
        self.server.client.flushall()
        self.driver = StoreDriver(self.server, MAX_DEAD)
        self.link = SyncLink(Endpoint(self.server.url))
        self.runner = asyncio.Runner()
        endpoint, keys = Endpoint(self.server.url), self.driver.keys
        self.stores = {
            w: WorkerStore(endpoint, keys, n, w, QUEUES, MAX_DEAD, probe=w == PROBE) for w, n in NODES.items()
        }
        self.keepers = {node: NodeStore(endpoint, keys, node) for node in ("a", "b")}
        for store in (*self.stores.values(), *self.keepers.values()):
            store.now_ms = lambda: self.driver.now_ms  # type: ignore[method-assign]
        self.model = StoreModel(MAX_DEAD)
        self.model.ready, self.model.due = {q: [] for q in QUEUES}, {q: {} for q in QUEUES}
        self.model.parked, self.model.claims = {"later": []}, {w: {} for w in WORKERS}
        self.model.suspect = {q: [] for q in QUEUES}
        self.model.lines, self.model.looks = {q: {} for q in QUEUES}, {q: {} for q in QUEUES}
        self.leases: dict[str, int] = {}
        self.old: list[tuple[str, Claim]] = []
        self.repeat: Callable[[], None] = lambda: None
        self.next, self.restarts, self.runs = 1, 0, 0
        for worker in WORKERS:
            self.start(worker)
        for queue in QUEUES:
            self.enqueue_some(queue, 3, 0)

    def teardown(self) -> None:
        for store in (*self.stores.values(), *self.keepers.values()):
            self.do(store.close())
        self.runner.close()
        self.link.close()
        self.driver.close()

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    # -- producing, and time ---------------------------------------------------------------------

    @rule(queue=queues, count=st.integers(1, 6), delay_ms=st.sampled_from([0, 0, 0, 5, 50]), key=limit_keys)
    def enqueue(self, queue: str, count: int, delay_ms: int, key: str) -> None:
        self.enqueue_some(queue, count, delay_ms, key)

    def enqueue_some(self, queue: str, count: int, delay_ms: int, key: str = "") -> None:
        new = list(range(self.next, self.next + count))
        self.next += count
        call, due_ms = self.next, self.driver.now_ms + delay_ms if delay_ms else 0
        if not self.model.fits(queue, count):
            full = (self.model.depth(queue), self.model.depths[queue])
            assert self.driver.refused(*new, queue=queue, due_ms=due_ms, call=call) == full
            return
        assert self.driver.enqueue(*new, queue=queue, due_ms=due_ms, call=call, key=key) == count
        self.model.limit_keys.update(dict.fromkeys(new, key))
        self.model.enqueue(new, queue, due_ms)

        def again() -> None:
            assert self.driver.enqueue(*new, queue=queue, due_ms=due_ms, call=call, key=key) == 0

        self.repeat = again

    @rule(queue=queues, paused=st.booleans())
    def a_queue_is_paused_or_goes_on(self, queue: str, paused: bool) -> None:
        assert self.driver.pause(queue, paused=paused) == ((queue in self.model.paused) is not paused)
        (self.model.paused.add if paused else self.model.paused.discard)(queue)
        self.repeat = lambda: self.nothing(self.driver.pause(queue, paused=paused))

    def nothing(self, changed: bool) -> None:
        assert not changed

    @rule(
        limits=st.dictionaries(
            queues,
            st.tuples(
                st.sampled_from([0, 4, 12]),
                st.sampled_from([0, 1, MOST_RUNNING]),
                st.sampled_from([0, 1, 1, 2]),
            ),
        )
    )
    def limits_are_published(self, limits: dict[str, tuple[int, int, int]]) -> None:
        rules = [
            QueueLimit(queue=q, max_depth=d, concurrency=c, key_concurrency=k)
            for q, (d, c, k) in limits.items()
        ]

        def publish() -> None:
            assert self.do(self.keepers["a"].limit("shop", rules, take_over=True)) == []

        publish()
        self.model.limit(limits)
        self.repeat = publish

    @initialize(
        key_concurrency=st.sampled_from([1, 0, 2, 1]), concurrency=st.sampled_from([0, 0, 1, MOST_RUNNING])
    )
    def limits_may_be_there_from_the_start(self, key_concurrency: int, concurrency: int) -> None:
        if key_concurrency:
            self.limits_are_published({queue: (0, concurrency, key_concurrency) for queue in QUEUES})
            for queue in QUEUES:
                self.enqueue_some(queue, 4, 0, "a")
            self.claim_some("w1", 20, [20] * len(QUEUES), False, "new", False)

    @rule(queue=queues, count=st.integers(2, 4), key=limit_keys, worker=workers, credit=st.integers(1, 6))
    def tasks_of_a_key_are_enqueued_and_claimed(
        self, queue: str, count: int, key: str, worker: str, credit: int
    ) -> None:
        self.enqueue_some(queue, count, 0, key or "a")
        self.claim_some(worker, credit, [credit] * len(QUEUES), False, "new", False)

    @rule(queue=queues, ready=st.booleans())
    def a_queue_is_purged(self, queue: str, ready: bool) -> None:
        state = TaskState.READY if ready else TaskState.SCHEDULED
        gone = self.model.purge(queue, ready)
        self.runs += 1
        if not gone:
            return
        record = b"purge %d" % self.runs
        step = purge_call(self.driver.keys, queue, state, record, [identity(n) for n in gone])
        assert self.driver.run(step) == len(gone)

        def again() -> None:
            assert self.driver.run(step) == len(gone), "and removes nothing"

        self.repeat = again

    @precondition(lambda self: any(self.model.lines.values()))
    @rule(pick=picks)
    def a_line_is_purged(self, pick: int) -> None:
        lines = [(queue, key) for queue in QUEUES for key in sorted(self.model.lines[queue])]
        queue, key = lines[pick % len(lines)]
        self.runs += 1
        gone, line = self.model.purge_line(queue, key), self.driver.keys.held(queue, key)
        ids, record = [identity(n) for n in gone], b"purge %d" % self.runs
        step = purge_call(self.driver.keys, queue, TaskState.READY, record, ids, line)
        assert self.driver.run(step) == len(gone)

        def again() -> None:
            assert self.driver.run(step) == len(gone), "and removes nothing"

        self.repeat = again

    @rule(declared=st.dictionaries(st.sampled_from("xy"), queues, min_size=1))
    def schedules_are_published(self, declared: dict[str, str]) -> None:
        entries = [
            Entry(name=name, task="t", queue=queue, spec="every 1s") for name, queue in declared.items()
        ]
        now_ms, store = self.driver.now_ms, self.stores["w1"]
        assert self.do(store.publish("shop:tq", now_ms, entries))
        self.model.publish(declared, now_ms)

        def again() -> None:
            assert not self.do(store.publish("shop:tq", now_ms - 1, [])), "it is older"

        self.repeat = again

    @precondition(lambda self: self.model.schedules)
    @rule(pick=picks, keeper=nodes, count=st.integers(1, 3), back_ms=st.integers(-3, 5))
    def slots_are_fired(self, pick: int, keeper: str, count: int, back_ms: int) -> None:
        name = sorted(self.model.schedules)[pick % len(self.model.schedules)]
        slots = {self.driver.now_ms - back_ms + n: self.next + n for n in range(count)}
        self.next += count
        store = self.keepers[keeper].cron
        (row,) = [row for row in self.do(store.table()) if row.name == name]
        firings = [(slot, identity(n), b"payload %d" % n) for slot, n in slots.items()]
        (stored, full), entry = self.model.fire(name, slots), row.entry
        assert entry is not None
        queue, last_ms = self.model.schedules[name], self.model.fired[name]
        room = (self.model.depth(queue), self.model.depths[queue]) if full else (0, 0)
        assert self.do(store.fire(row, entry, firings)) == Fired(stored, last_ms, 0, *room)

        def again() -> None:
            assert self.do(store.fire(row, entry, firings)).stored <= 0

        # What is left of a full queue's slots is fired by the same call as soon as there is room.
        self.repeat = (lambda: None) if full else again

    @rule(
        queue=queues, count=st.integers(1, 3), delay_ms=st.sampled_from([0, 0, 5, 50]),
        key=st.sampled_from("kl"), scope=scopes, replace=st.booleans(), limit_key=limit_keys,
    )  # fmt: skip
    def enqueue_unique(
        self,
        queue: str,
        count: int,
        delay_ms: int,
        key: str,
        scope: UniqueScope,
        replace: bool,
        limit_key: str,
    ) -> None:
        new = list(range(self.next, self.next + count))
        self.next += count
        call, due_ms = self.next, self.driver.now_ms + delay_ms if delay_ms else 0
        if key not in self.model.keys and not self.model.fits(queue, 1):
            full = (self.model.depth(queue), self.model.depths[queue])
            keys = [key] * count
            refused = self.driver.refused_unique(*new, keys=keys, queue=queue, due_ms=due_ms, call=call)
            assert refused == full
            return

        def send() -> list[tuple[int, str]]:
            return self.driver.enqueue_unique(
                *new, key=key, scope=scope, replace=replace, queue=queue, due_ms=due_ms, call=call,
                limit_key=limit_key,
            )  # fmt: skip

        self.model.limit_keys.update(dict.fromkeys(new, limit_key))

        if key not in self.model.keys and not self.model.fits(queue, 1):
            held = UniqueKey("job", key, scope, replace)
            tasks = [NewTask(identity(n), queue, b"", due_ms, 0, held) for n in new]
            waiting, depth, _ = self.driver.run(store_new(self.driver.keys, "p", call, tasks))
            assert (waiting, depth) == (self.model.depth(queue), self.model.depths[queue])
            return
        words = [self.model.enqueue_unique(n, queue, due_ms, key, scope, replace) for n in new]
        expected = [(self.model.keys[key], word) for word in words]
        assert send() == expected

        def again() -> None:
            assert send() == expected, "also when the task has ended since"

        self.repeat = again

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        number = 1 + pick % self.next
        key = self.model.key_of(number)
        task = Envelope("later", [], {}, self.queue_of(number), 1, NO_OPTIONS, {}, key)
        expected = self.model.cancel(number)

        def send() -> str:
            command = cancel_call(self.driver.keys, identity(number), task, MARK)
            return str(self.driver.run(command).decode())

        def again() -> None:
            # Until then it may have been settled, and its result may say anything.
            if expected != "asked":
                assert send() in answers

        answers = (expected,) if expected in ("asked", "cancelled") else ("over", "unknown", "cancelled")
        assert send() in answers
        self.repeat = again

    def queue_of(self, number: int) -> str:
        """Return the queue in which a task is, as its envelope would say."""
        kind, _, name = self.model.places().get(number, "").partition(":")
        if kind == "held":
            return name.partition(":")[0]
        return name if kind in ("ready", "due", "suspect") else QUEUES[0]

    @rule(ms=st.integers(-1, 60))
    def time_goes_by(self, ms: int) -> None:
        """Until after so long, or until the next task is due, or nearly."""
        next_ms = self.model.next_due() + min(ms, 0)
        self.driver.now_ms = max(self.driver.now_ms, next_ms) if ms < 1 else self.driver.now_ms + ms

    # -- claiming --------------------------------------------------------------------------------

    @rule(
        worker=workers, credit=st.integers(1, 6), caps=limits,
        backwards=st.booleans(), how=st.sampled_from(["new", "new", "new", "woken", "old"]),
        reply_is_lost=st.booleans(),
    )  # fmt: skip
    def claim(
        self, worker: str, credit: int, caps: list[int], backwards: bool, how: str, reply_is_lost: bool
    ) -> None:
        self.claim_some(worker, credit, caps, backwards, how, reply_is_lost)

    def claim_some(
        self, worker: str, credit: int, caps: list[int], backwards: bool, how: str, reply_is_lost: bool
    ) -> None:
        """Claim: as a worker that has just started, that heard the bell, or that may have been fenced off."""
        if how != "old":
            self.start(worker)
        order = QUEUES[::-1] if backwards else QUEUES
        wanted = list(zip(order, caps, strict=True))
        if how == "woken":
            self.driver.silence(*(("!suspect",) if worker == PROBE else QUEUES))
        before = set(self.model.claims[worker])
        probe, model = worker == PROBE, self.model
        expected = (
            model.probe(worker, credit, wanted)
            if probe
            else model.claim(worker, self.driver.now_ms, credit, wanted)
        )
        claimed = self.do(self.stores[worker].exchange([], credit, wanted)).claimed
        assert claimed is not None
        assert claimed.fenced == (worker not in self.model.may_claim)
        if claimed.fenced:
            self.do(self.stores[worker].ring())
            return
        if reply_is_lost:
            held = self.do(self.stores[worker].held())
            got = {as_number(i): token for i, token in held.items() if as_number(i) not in before}
        else:
            got = {as_number(one.task_id): one.token for one in claimed.claims}
            assert list(got) == list(expected), "in order"
        assert got == expected
        next_look = model.next_look(self.driver.now_ms, probe=probe)
        assert (claimed.next_due_ms, claimed.dropped) == (next_look, 0)
        assert claimed.work_left == model.work_left
        assert claimed.held_back == (model.held_back and not model.work_left)
        for one in claimed.claims:
            assert one.envelope == model.payload(as_number(one.task_id))
        assert {as_number(one) for one in claimed.cancelled} == model.marked & expected.keys()
        self.old += [(worker, Claim(identity(n), token, b"")) for n, token in expected.items()]

    # -- settling --------------------------------------------------------------------------------

    def held(self) -> list[tuple[str, int]]:
        return [(worker, number) for worker in WORKERS for number in self.model.claims[worker]]

    @precondition(lambda self: self.held())
    @rule(pick=picks, chosen=st.lists(ways, min_size=1, max_size=4), delay_ms=st.integers(0, 50))
    def settle(self, pick: int, chosen: list[str], delay_ms: int) -> None:
        self.settle_some(pick, chosen, delay_ms)

    @precondition(lambda self: self.held())
    @rule(pick=picks, way=ways, delay_ms=st.integers(0, 50))
    def settle_one(self, pick: int, way: str, delay_ms: int) -> None:
        self.settle_some(pick, [way], delay_ms)

    def settle_some(self, pick: int, chosen: list[str], delay_ms: int) -> None:
        """A worker settles several of its claims in one exchange."""
        worker, _ = self.held()[pick % len(self.held())]
        batch = list(zip(self.model.claims[worker], chosen, strict=False))
        due_ms = self.driver.now_ms + delay_ms
        settlements = [WAYS[way](self.claim_of(worker, number), due_ms) for number, way in batch]
        # Whoever waits for work has heard the bells of the queues that are empty now.
        for queue in QUEUES:
            if not self.model.ready[queue] and not self.model.lines[queue]:
                self.driver.silence(queue)
        if not any(self.model.suspect.values()):
            self.driver.silence("!suspect")

        def send() -> list[bytes]:
            exchanged = self.do(self.stores[worker].exchange(settlements, 0, []))
            assert exchanged.refusal is None
            return sorted(exchanged.lost)

        def again() -> None:
            assert send() == sorted(identity(number) for number, _ in batch), "their claims are gone"

        assert send() == []
        self.expect(worker, batch, due_ms)
        self.repeat = again

    @precondition(lambda self: self.held())
    @rule(pick=picks, way=ways, keeper=nodes)
    def a_keeper_settles(self, pick: int, way: str, keeper: str) -> None:
        worker, number = self.held()[pick % len(self.held())]
        settlement = WAYS[way](self.claim_of(worker, number), self.driver.now_ms)
        assert self.do(self.keepers[keeper].settle(worker, settlement, MAX_DEAD))
        self.expect(worker, [(number, way)], self.driver.now_ms)
        assert not self.do(self.keepers[keeper].settle(worker, settlement, MAX_DEAD))

    def claim_of(self, worker: str, number: int) -> Claim:
        return Claim(identity(number), self.model.claims[worker][number], self.model.payload(number))

    def expect(self, worker: str, batch: list[tuple[int, str]], due_ms: int) -> None:
        model = self.model
        model.release(worker, [number for number, way in batch if way == "release"])
        for number, way in batch:
            match way:
                case "complete" | "completes" | "finish":
                    model.end(worker, number)
                case "bury" | "bury and tell":
                    model.bury(worker, number, self.driver.now_ms)
                case "retry":
                    queue = model.put_back(worker, number, charged=True)
                    model.due[queue][number] = 1 if number in model.marked else due_ms
                case "park":
                    model.put_back(worker, number)
                    model.parked["later"].append(number)

    @precondition(lambda self: self.model.parked["later"])
    @rule(worker=workers, queue=queues)
    def unpark(self, worker: str, queue: str) -> None:
        store = self.stores[worker]
        assert self.do(store.parked(["never", "later"])) == (["later"], False)
        rows = self.do(store.parked_envelopes("later"))
        ids = [one for one, _ in rows]
        assert rows == [(identity(n), self.model.payload(n)) for n in self.model.parked["later"]]
        assert self.do(store.unpark("later", queue, ids)) == len(ids)
        self.model.ready[queue] += self.model.parked["later"]
        self.model.arrived[queue] += len(ids)
        self.model.parked["later"] = []

        def again() -> None:
            if not self.model.parked["later"]:
                assert self.do(store.unpark("later", queue, ids)) == 0

        self.repeat = again

    # -- dead letters ----------------------------------------------------------------------------

    @precondition(lambda self: self.model.dead)
    @rule(pick=picks, queue=queues)
    def replay(self, pick: int, queue: str) -> None:
        number = sorted(self.model.dead)[pick % len(self.model.dead)]
        self.runs += 1
        run = f"run {self.runs}"
        assert self.driver.replay(number, queue=queue, run=run) == [number]
        self.model.replay(number, queue, self.driver.now_ms)

        def again() -> None:
            assert self.driver.replay(number, queue=queue, run=run) == [number], "and changes nothing"

        self.repeat = again

    @precondition(lambda self: self.model.dead)
    @rule(pick=picks)
    def purge(self, pick: int) -> None:
        number, died_ms = sorted(self.model.dead.items())[pick % len(self.model.dead)]
        assert self.driver.purge((number, died_ms)) == [number]
        del self.model.dead[number]

        def again() -> None:
            assert self.driver.purge((number, died_ms)) == []

        self.repeat = again

    @precondition(lambda self: self.model.dead)
    @rule(most=st.integers(0, MAX_DEAD))
    def prune(self, most: int) -> None:
        assert self.driver.prune(most) == max(0, len(self.model.dead) - most)
        self.model.forget_dead(most)
        self.repeat = lambda: None

    # -- what must change nothing ----------------------------------------------------------------

    @rule()
    def repeat_the_last_call(self) -> None:
        self.repeat()

    @precondition(lambda self: self.old)
    @rule(pick=picks, stranger=workers)
    def a_late_owner_or_a_stranger_settles(self, pick: int, stranger: str) -> None:
        mine = self.model.claims
        # The nearest miss first: the same worker holds the same task again, by a newer claim.
        near = [
            (worker, claim)
            for worker, claim in self.old
            if mine[worker].get(as_number(claim.task_id), claim.token) != claim.token
        ]
        owner, claim = (near or self.old)[pick % len(near or self.old)]
        for worker in (owner, stranger):
            if not self.model.owns(worker, as_number(claim.task_id), claim.token):
                for way in WAYS.values():
                    settlement = way(claim, self.driver.now_ms)
                    assert self.driver.settle(settlement, worker=worker) == [claim.task_id]

    @precondition(lambda self: self.held())
    @rule(pick=picks)
    def a_worker_gets_a_task_again_and_its_first_attempt_ends_late(self, pick: int) -> None:
        worker, number = self.held()[pick % len(self.held())]
        late = self.claim_of(worker, number)
        assert self.driver.settle(WAYS["release"](late, 0), worker=worker) == []
        self.model.release(worker, [number])
        if (number in self.model.suspect[queue_of(late)]) is not (worker == PROBE):
            return  # a task that was parked on its way can be with either
        self.start(worker)
        wanted = [(queue_of(late), 1)]
        if worker == PROBE:
            self.model.probe(worker, 1, wanted)
        else:
            self.model.claim(worker, self.driver.now_ms, 1, wanted)
        self.do(self.stores[worker].exchange([], 1, wanted))
        for way in WAYS.values():
            assert self.driver.settle(way(late, self.driver.now_ms), worker=worker) == [late.task_id]

    # -- workers, nodes and keepers --------------------------------------------------------------

    @rule(worker=workers, keeper=nodes, move=st.sampled_from(["fence", "fence", "leave", "renew", "expire"]))
    def a_life_goes_on(self, worker: str, keeper: str, move: str) -> None:
        """One rule for all, so that claims and settlements stay the most frequent."""
        match move:
            case "leave":
                self.leave(worker)
            case "renew":
                self.do(self.keepers[keeper].renew(2 * LEASE_MS))
                self.leases[keeper] = self.driver.now_ms + 2 * LEASE_MS
            case "fence":
                self.do(self.keepers[keeper].fence(NODES[worker], [worker]))
                self.model.fence(worker)
            case "expire":
                self.driver.now_ms += LEASE_MS
                self.reap(keeper)

    def start(self, worker: str) -> None:
        if worker in self.model.lost:
            return  # ids are not used twice before they are forgotten
        self.do(self.stores[worker].register(LEASE_MS))
        self.model.may_claim.add(worker)
        end_ms = self.driver.now_ms + LEASE_MS
        self.leases[NODES[worker]] = max(end_ms, self.leases.get(NODES[worker], 0))

    def leave(self, worker: str) -> None:
        self.do(self.stores[worker].leave())
        if not self.model.claims[worker]:
            self.model.may_claim.discard(worker)

    @precondition(lambda self: self.model.lost)
    @rule(keeper=nodes, second=st.booleans())
    def reclaim_the_lost(self, keeper: str, second: bool) -> None:
        lost = self.do(self.keepers[keeper].lost_workers())
        assert sorted(lost) == sorted(self.model.lost)
        for worker in lost:
            self.take_back(worker, keeper, second)

    def reap(self, keeper: str) -> None:
        """A keeper looks for nodes whose lease is over."""
        store, other = self.keepers[keeper], "b" if keeper == "a" else "a"
        expired = self.leases.get(other, self.driver.now_ms + 1) <= self.driver.now_ms
        assert self.do(store.expired_nodes()) == ([other] if expired else [])
        if not expired:
            return
        dead = sorted(worker for worker in self.model.may_claim if NODES[worker] == other)
        assert sorted(self.do(store.workers(other))) == dead
        self.do(store.fence(other, dead))
        for worker in dead:
            self.model.fence(worker)
            self.take_back(worker, keeper, second=True)
        self.do(store.forget_node(other))
        del self.leases[other]

    def take_back(self, worker: str, keeper: str, second: bool) -> None:
        """Reclaim; a second keeper, which had looked at the same time, then says the same."""
        held = dict(self.do(self.stores[worker].held()))
        count = self.do(self.keepers[keeper].reclaim(worker))
        assert count == len(held)
        self.model.reclaim(worker)
        if second and held:
            late = [reclaimed(one, token) for one, token in sorted(held.items())]
            for command in settling.release(self.driver.keys, worker, late):
                assert set(self.driver.run(command)) <= set(held), "nothing is given back twice"
        assert self.do(self.keepers["b" if keeper == "a" else "a"].reclaim(worker)) == 0

    @precondition(lambda self: any(worker != PROBE for worker, _ in self.held()))
    @rule(pick=picks, keeper=nodes, deaths=st.integers(1, 3), credit=st.integers(1, 6))
    def a_worker_dies_again_and_again_and_the_probe_comes(
        self, pick: int, keeper: str, deaths: int, credit: int
    ) -> None:
        able = [worker for worker, _ in self.held() if worker != PROBE]
        worker = able[pick % len(able)]
        for _ in range(deaths):
            self.do(self.keepers[keeper].fence(NODES[worker], [worker]))
            self.model.fence(worker)
            self.take_back(worker, keeper, second=False)
            self.claim_some(worker, 6, [6] * len(QUEUES), False, "new", False)
        self.claim_some(PROBE, credit, [credit] * len(QUEUES), False, "woken", False)

    # -- disturbances ----------------------------------------------------------------------------

    @precondition(lambda self: self.restarts < 1)
    @rule(hard=st.booleans())
    def redis_forgets_the_scripts_or_is_killed(self, hard: bool) -> None:
        if not hard:
            self.server.client.script_flush()
            return
        self.restarts += 1
        self.server.kill()
        self.server.start()
        self.driver.close()
        self.link.close()
        for store in (*self.stores.values(), *self.keepers.values()):
            self.do(store.close())
        self.driver.client = self.server.client

    # -- both agree ------------------------------------------------------------------------------

    @invariant()
    def every_task_is_where_the_model_says_in_order(self) -> None:
        model, driver = self.model, self.driver
        assert driver.places() == model.places()
        for queue in QUEUES:
            assert driver.order(queue) == model.ready[queue]
            assert driver.suspects(queue) == model.suspect[queue]
            for key, line in model.lines[queue].items():
                assert driver.line(key, queue) == line
            looks = driver.client.zrange(driver.keys.held_keys(queue), 0, -1, withscores=True)
            assert {key.decode(): int(ms) for key, ms in looks} == model.looks[queue]
            if queue in model.paused or queue in model.concurrency:
                continue  # who waits for these is woken when they go on, or looks again by the clock
            if model.suspect[queue]:
                assert driver.client.llen(driver.keys.suspect_bell) == 1, "the probe is woken"
            if model.ready[queue] or (model.lines[queue] and queue not in model.key_concurrency):
                assert driver.rings(queue) == 1, "whoever waits for work is woken"
        for worker in WORKERS:
            held = driver.client.hgetall(driver.keys.claims(worker))
            assert held == {identity(n): token for n, token in model.claims[worker].items()}

    @invariant()
    def the_counts_are_those_of_the_model(self) -> None:
        kept = self.driver.client.hgetall(self.driver.keys.attempts)
        assert kept == {identity(n): b"%d:%d:%d" % row for n, row in self.model.counts.items()}
        due = {n: ms for rows in self.model.due.values() for n, ms in rows.items()}
        found = [self.driver.client.zrange(self.driver.keys.due(q), 0, -1, withscores=True) for q in QUEUES]
        assert {as_number(one): int(ms) for rows in found for one, ms in rows} == due

    @invariant()
    def the_schedules_are_those_of_the_model(self) -> None:
        rows = self.do(self.keepers["a"].cron.table())
        assert {row.name: row.entry.queue for row in rows if row.entry} == self.model.schedules
        assert {row.name: row.last_ms for row in rows} == self.model.fired

    @invariant()
    def the_keys_and_marks_are_those_of_the_model(self) -> None:
        assert self.driver.locks() == self.model.keys
        marked = self.driver.client.hkeys(self.driver.keys.cancels)
        assert {as_number(one) for one in marked} == self.model.marked

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        snapshot = Snapshot(self.link, self.driver.keys, 10_000)
        picture = snapshot.picture(snapshot.names())
        assert audit(picture) == []
        assert picture.unread == frozenset()
        strangers = [
            k for k in self.driver.client.scan_iter() if not k.startswith(self.driver.keys.prefix.encode())
        ]
        assert strangers == []

    @invariant()
    def as_many_suspects_wait_as_the_model_says(self) -> None:
        count = sum(map(len, self.model.suspect.values()))
        assert self.do(self.keepers["a"].suspects(QUEUES)) == count

    @invariant()
    def the_figures_are_those_of_the_structures(self) -> None:
        look = self.do(self.keepers["a"].sample(QUEUES))
        assert look.dead == len(self.model.dead)
        assert [sample.arrived for sample in look.queues] == [self.model.arrived[queue] for queue in QUEUES]
        held = [token for w in self.model.may_claim if NODES[w] in self.leases for token in self.claims_of(w)]
        for queue, sample in zip(QUEUES, look.queues, strict=True):
            mine = sum(parse_token(token)[1] == queue for token in held)
            ready = len(self.model.ready[queue]) + self.model.lined(queue)
            # The model's moments are long ago: all that is due at any time has come due by Redis's own clock.
            wanted = (ready + len(self.model.due[queue]), 0, mine)
            assert (sample.ready, sample.scheduled, sample.claimed) == wanted
            assert sample.paused == (queue in self.model.paused)
            assert self.driver.client.hlen(self.driver.keys.running(queue)) <= MOST_RUNNING

    def claims_of(self, worker: str) -> Sequence[bytes]:
        return list(self.model.claims[worker].values())


def as_number(task_id: bytes) -> int:
    return int.from_bytes(task_id, "big")


@pytest.fixture
def machine(engine: Engine) -> Iterator[type[StoreMachine]]:
    """The machine on a server whose data outlives a kill."""
    with RedisServer(engine.binary, appendonly=True) as durable:

        class Machine(StoreMachine):
            server = durable

        yield Machine


def test_the_store_does_what_the_model_says(machine: type[StoreMachine]) -> None:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=slow),
    )
