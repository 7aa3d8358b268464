"""Looking at tasks: one by its id, some of a queue; on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import pytest

from tests.support.hand_worker import HandWorker
from tests.support.redis_server import RedisServer
from tqd import TaskQueue
from tqd.store import calls, task_lookup
from tqd.store.connection import Endpoint, SyncLink
from tqd.store.keys import Keys
from tqd.store.talk import Talk, lead
from tqd.store.task_lookup import DEPTH, Listed, TaskView
from tqd.task.model import DEFAULT_QUEUES, TaskState
from tqd.task.queue_limit import QueueLimit
from tqd.task.settle import reclaimed

T = TypeVar("T")
KEYS = Keys("tqd")
HAND = "claims:hand"


class Desk:
    """A producer, a worker by hand, and somebody who looks."""

    def __init__(self, server: RedisServer) -> None:
        self.client = server.client
        self.tq = TaskQueue(server.url)
        self.worker = HandWorker(self.tq)
        self.link = SyncLink(Endpoint(server.url))

    def lead(self, talk: Talk[T]) -> T:
        return lead(self.link, talk)

    def show(self, identity: bytes) -> TaskView:
        view = self.lead(task_lookup.show(KEYS, identity))
        assert view is not None
        return view

    def ls(self, state: TaskState | None = None, limit: int = 50, *queues: str) -> Listed:
        return self.lead(task_lookup.listed(KEYS, queues or DEFAULT_QUEUES, state, limit))

    def places(self, state: TaskState | None = None, limit: int = 50, *queues: str) -> list[str]:
        return [view.place for view in self.ls(state, limit, *queues).tasks]


@pytest.fixture
def desk(every_engine: RedisServer) -> Iterator[Desk]:
    desk = Desk(every_engine)
    yield desk
    desk.tq.close()
    desk.link.close()


# -- one task -------------------------------------------------------------------------------------


def test_a_ready_task_has_a_place_and_a_position(desk: Desk) -> None:
    desk.tq.enqueue("a")
    handle = desk.tq.enqueue("b", 1, to="x")
    view = desk.show(handle.identity)
    assert (view.state, view.place, view.position) == (TaskState.READY, "ready:default", 2)
    assert view.envelope is not None
    assert (view.envelope.name, view.envelope.args, view.envelope.kwargs) == ("b", [1], {"to": "x"})
    assert (view.counts, view.replays, view.problem) == (None, 0, "")
    assert abs(view.now_ms - view.envelope.enqueued_ms) < 60_000


def test_a_task_that_the_limits_of_its_key_hold_back_is_ready_and_tells_the_key(desk: Desk) -> None:
    rules = [QueueLimit(queue="default", key_concurrency=1)]
    desk.link.call(calls.limit(KEYS, "here", rules, take_over=True))
    handles = [desk.tq.named("a").using(limit_key="customer: 42").enqueue(n) for n in range(3)]
    desk.worker.take(handles[0])
    assert desk.worker.claim() == {}
    view = desk.show(handles[2].identity)
    assert (view.state, view.place, view.position) == (TaskState.READY, "held:default:customer: 42", 2)
    assert view.held_by == "customer: 42"
    assert handles[2].status() is TaskState.READY
    assert desk.places(TaskState.READY) == ["held:default:customer: 42"] * 2
    assert desk.ls(TaskState.READY, 1).more and not desk.ls(TaskState.READY, 2).more


def test_a_replayed_letter_is_limited_by_its_key_again(desk: Desk) -> None:
    rules = [QueueLimit(queue="default", key_concurrency=1)]
    desk.link.call(calls.limit(KEYS, "here", rules, take_over=True))
    handles = [desk.tq.named("a").using(limit_key="k").enqueue(n) for n in range(2)]
    desk.worker.bury(desk.worker.take(handles[0]))
    assert list(desk.worker.claim()) == [handles[1].identity]
    desk.tq.dead.replay(handles[0].id)
    assert desk.worker.claim() == {}
    assert desk.show(handles[0].identity).held_by == "k"


def test_a_claimed_task_has_its_worker_and_its_counts(desk: Desk) -> None:
    handle = desk.tq.enqueue("a")
    desk.worker.take(handle)
    view = desk.show(handle.identity)
    assert (view.state, view.place, view.worker) == (TaskState.CLAIMED, HAND, "hand")
    assert view.counts is not None and (view.counts.fence, view.counts.attempts) == (1, 0)


def test_a_task_of_a_lost_worker_is_still_claimed(desk: Desk) -> None:
    handle = desk.tq.enqueue("a")
    desk.worker.take(handle)
    desk.client.smove(KEYS.workers("node"), KEYS.lost, "hand")
    assert desk.show(handle.identity).place == HAND


def test_a_retried_task_is_scheduled_with_its_attempts(desk: Desk) -> None:
    handle = desk.tq.enqueue("a")
    desk.worker.retry(desk.worker.take(handle))
    view = desk.show(handle.identity)
    assert (view.state, view.place, view.due_ms) == (TaskState.SCHEDULED, "due:default", 1 << 45)
    assert view.counts is not None and view.counts.attempts == 1


def test_a_parked_task_is_parked_under_its_name(desk: Desk) -> None:
    handle = desk.tq.enqueue("stranger")
    desk.worker.park(desk.worker.take(handle))
    view = desk.show(handle.identity)
    assert (view.state, view.place, view.queue) == (TaskState.PARKED, "parked:stranger", "default")


def test_a_suspect_has_its_place_and_its_crashes_and_is_listed(desk: Desk) -> None:
    handle = desk.tq.enqueue("a")
    for _ in range(2):
        claim = desk.worker.take(handle)
        assert desk.worker.settle(reclaimed(claim.task_id, claim.token)) == []
    view = desk.show(handle.identity)
    assert (view.state, view.place, view.position) == (TaskState.SUSPECT, "suspect:default", 1)
    assert view.counts is not None and (view.counts.attempts, view.counts.crashes) == (0, 2)
    assert handle.status() is TaskState.SUSPECT
    assert desk.places(TaskState.SUSPECT) == desk.places() == ["suspect:default"]
    assert desk.places(TaskState.READY) == []


def test_a_dead_task_has_its_letter_and_what_it_was_called_with(desk: Desk) -> None:
    handle = desk.tq.enqueue("a", 7)
    desk.worker.bury(desk.worker.take(handle), ttl_ms=60_000)
    view = desk.show(handle.identity)
    assert (view.state, view.place, view.queue) == (TaskState.DEAD, "dead", "default")
    assert view.letter is not None and view.letter.error_message == "no luck"
    assert view.envelope is not None and view.envelope.args == [7]
    assert view.result is not None and view.result.state is TaskState.DEAD


def test_a_done_task_has_its_result(desk: Desk) -> None:
    handle = desk.tq.enqueue("a")
    desk.worker.finish(desk.worker.take(handle), 42)
    view = desk.show(handle.identity)
    assert (view.state, view.envelope) == (TaskState.DONE, None)
    assert view.result is not None and view.result.value is not None


def test_a_replayed_task_says_so_also_when_it_is_dead_again(desk: Desk) -> None:
    handle = desk.tq.enqueue("a")
    for times in (1, 2):
        desk.worker.bury(desk.worker.take(handle))
        assert desk.tq.dead.replay(handle.id).done == 1
        view = desk.show(handle.identity)
        assert (view.state, view.replays) == (TaskState.READY, times)
        assert abs(view.replayed_ms - view.now_ms) < 60_000
        assert view.counts is not None and view.counts.attempts == 0
    desk.worker.bury(desk.worker.take(handle))
    assert desk.show(handle.identity).replays == 2


def test_there_is_no_trace_of_a_task_that_never_was(desk: Desk) -> None:
    assert desk.lead(task_lookup.show(KEYS, b"x" * 16)) is None


def test_a_task_deep_in_its_queue_is_ready_at_a_position_nobody_counted(desk: Desk) -> None:
    filler = [b"%016d" % number for number in range(DEPTH)]
    desk.client.rpush(KEYS.ready("default"), *filler)
    view = desk.show(desk.tq.enqueue("a").identity)
    assert (view.state, view.position) == (TaskState.READY, 0)


def test_a_payload_that_is_in_no_place_is_said_to_be_in_none(desk: Desk) -> None:
    handle = desk.tq.enqueue("a")
    desk.client.delete(KEYS.ready("default"))
    view = desk.show(handle.identity)
    assert (view.state, view.place) == (None, "")


def test_garbage_is_shown_with_what_is_wrong_with_it(desk: Desk) -> None:
    handle = desk.tq.enqueue("a")
    desk.client.hset(KEYS.task, handle.identity, b"\xc1")  # type: ignore[arg-type]
    desk.client.hset(KEYS.attempts, handle.identity, b"garbage")  # type: ignore[arg-type]
    desk.client.hset(KEYS.replay(handle.identity), "count", "many")
    view = desk.show(handle.identity)
    assert "cannot be read" in view.problem
    assert (view.envelope, view.counts, view.replays) == (None, None, 0)
    assert desk.ls(TaskState.READY).tasks[0].problem == view.problem


# -- some of many ---------------------------------------------------------------------------------


def test_all_that_run_wait_or_are_parked_are_listed_and_the_ended_are_not(desk: Desk) -> None:
    done, dead, parked, claimed = (desk.tq.enqueue(name) for name in ("done", "dead", "stranger", "claimed"))
    claims = desk.worker.claim()
    desk.worker.finish(claims[done.identity], 1)
    desk.worker.bury(claims[dead.identity])
    desk.worker.park(claims[parked.identity])
    assert claimed.identity in claims
    desk.tq.named("later").using(delay=60).enqueue()
    desk.tq.named("low").using(queue="low_priority").enqueue()
    desk.tq.named("else").using(queue="elsewhere").enqueue()
    assert desk.places() == [HAND, "ready:low_priority", "due:default", "parked:stranger"]
    names = [view.envelope.name for view in desk.ls().tasks if view.envelope]
    assert names == ["claimed", "low", "later", "stranger"]
    assert desk.places(None, 50, "elsewhere") == ["ready:elsewhere"]
    for state, place in (("claimed", HAND), ("scheduled", "due:default"), ("parked", "parked:stranger")):
        assert desk.places(TaskState(state)) == [place]


@pytest.mark.parametrize("state", [TaskState.READY, TaskState.SCHEDULED, TaskState.CLAIMED, TaskState.PARKED])
def test_no_more_are_listed_than_were_asked_for_and_it_is_said(desk: Desk, state: TaskState) -> None:
    delay = 60 if state is TaskState.SCHEDULED else None
    for _ in range(4):
        desk.tq.named("a").using(delay=delay).enqueue()
    if state in (TaskState.CLAIMED, TaskState.PARKED):
        for claim in desk.worker.claim().values():
            if state is TaskState.PARKED:
                desk.worker.park(claim)
    some, all_of_them = desk.ls(state, 3), desk.ls(state, 4)
    assert (len(some.tasks), some.more) == (3, True)
    assert (len(all_of_them.tasks), all_of_them.more) == (4, False)
    assert {view.state for view in all_of_them.tasks} == {state}


def test_more_than_one_batch_of_payloads_is_read(desk: Desk) -> None:
    desk.tq.enqueue_many([desk.tq.named(f"t{number}").call() for number in range(120)])
    names = [view.envelope.name for view in desk.ls(None, 110).tasks if view.envelope]
    assert names == [f"t{number}" for number in range(110)]


def test_a_namespace_with_signs_of_a_pattern_finds_its_own_parked_tasks_only(desk: Desk) -> None:
    keys = Keys("a*[b]?")
    desk.client.rpush(keys.parked("x"), b"i" * 16)
    desk.client.rpush(Keys("aXbY").parked("y"), b"j" * 16)
    (view,) = desk.lead(task_lookup.listed(keys, ("default",), TaskState.PARKED, 10)).tasks
    assert (view.place, view.problem) == ("parked:x", "it has no payload any more")
