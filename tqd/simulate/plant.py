"""The simulated daemon: tasks of a trace arrive, workers run them, the clock jumps from event to event. Pure.

It is exact and deterministic: an event for each arrival, start of a worker, end of an attempt and retry. What
it leaves out: the round trips to Redis (a free slot takes a ready task at once), the machine (slots do not
slow each other down), the budget that stretches retries, and the probe (a worker killed for want of memory
costs its tasks an attempt each). What chance decides in the daemon is spread evenly here.

Invariant: while a slot is free, nothing is ready.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from tqd.simulate.counts import Counts
from tqd.simulate.crew import Crew, Life, Worker
from tqd.simulate.misses import Misses
from tqd.simulate.shape import Memory, Shape
from tqd.simulate.trace import Arrival
from tqd.task.retry import retry_delay_s

_GOLDEN = 0.6180339887498949
"""Multiples of it are spread evenly over [0, 1)."""
_NO_MEMORY = Memory(worker_bytes=0, task_bytes={})


Waiting = tuple[float, Arrival, int]
"""Since when it is ready, the task, its failures and kills before."""


class Tasks:
    """The totals of a run. `kills` are workers that the kernel killed for want of memory."""

    __slots__ = ("arrived", "dead", "done", "failed", "kills", "running", "scheduled", "waiting")

    def __init__(self) -> None:
        self.arrived = 0
        self.done = 0
        self.dead = 0
        self.failed = 0
        self.kills = 0
        self.waiting = 0
        self.running = 0
        self.scheduled = 0


_ENDED, _FAILED, _DUE, _BOOTED = range(4)
"""What an event is. Plain numbers: an enumeration costs a tenth of the whole simulation."""

_NOBODY = Worker(0, 0)
_NOTHING = Arrival(0.0, 0.0, "", "")

_Event = tuple[float, int, int, Worker, Arrival, int]
"""When, its place among those of one moment, what, at whom, which task, its failures and kills before."""


class Queue:
    """What is ready in a queue, what of it runs, what waits for a retry, and when it was last served."""

    __slots__ = ("claimed", "scheduled", "served_s", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Waiting] = deque()
        self.claimed = 0
        self.scheduled = 0
        self.served_s = 0.0


_NO_QUEUE = Queue()


class Plant:
    """Workers and tasks at one moment; `advance` moves it on, `scale` changes the number of workers."""

    def __init__(self, shape: Shape, arrivals: Iterator[Arrival], workers: int) -> None:
        self.shape = shape
        self.now = 0.0
        self.counts = Counts()
        self.tasks = Tasks()
        self.misses = Misses()
        self.queues = {queue: Queue() for queue in shape.queues}
        self._arrivals = arrivals
        self._next = next(arrivals, None)
        self._events: list[_Event] = []
        self._order = 0
        self._slot_s = 0.0
        self._memory = shape.memory or _NO_MEMORY
        self.crew = Crew(shape.slots, self._memory.worker_bytes)
        for _ in range(workers):
            self.crew.ready(self.crew.start(0.0), 0.0)

    @property
    def arriving(self) -> bool:
        """Tell whether the trace goes on."""
        return self._next is not None

    @property
    def next_s(self) -> float:
        """Return when something happens next."""
        arrival_s = math.inf if self._next is None else self._next.arrival_s
        return min(arrival_s, self._events[0][0]) if self._events else arrival_s

    @property
    def resting(self) -> bool:
        """Tell whether every task that came has ended."""
        tasks = self.tasks
        return not (tasks.waiting or tasks.running or tasks.scheduled)

    def advance(self, until_s: float) -> None:
        """Let all happen that happens up to this time."""
        events = self._events
        while True:
            task = self._next
            due_s = events[0][0] if events else until_s + 1.0
            # At one moment, what ends comes before what arrives: its slot is free.
            if task is not None and task.arrival_s < due_s and task.arrival_s <= until_s:
                self._next = next(self._arrivals, None)
                self.now = task.arrival_s
                self.tasks.arrived += 1
                self._offer(task, 0)
            elif due_s <= until_s:
                self.now, _, kind, worker, task, failures = heappop(events)
                if kind <= _FAILED:
                    self._end(kind, worker, task, failures)
                else:
                    self._happen(kind, worker, task, failures)
            else:
                break
        self.now = until_s

    def scale(self, count: int) -> None:
        """Start or retire workers until so many are meant to stay."""
        change = count - self.crew.wanted
        for _ in range(change):
            self._boot()
        if change < 0:
            self.crew.retire(-change, self.now)

    def take(self) -> Counts:
        """Return what happened since the last take, and begin anew."""
        taken, self.counts = self.counts, Counts()
        # Starts and ends are added as moments, which is cheap; those that run have begun and not ended.
        running_s = self.tasks.running * self.now
        taken.busy_slot_s += running_s
        self.counts.busy_slot_s -= running_s
        if taken.at_once:
            taken.waits.merge({0: taken.at_once})
        self.crew.pass_to(self.now)
        taken.slot_s, self._slot_s = self.crew.slot_s - self._slot_s, self.crew.slot_s
        return taken

    def count_waiting(self) -> None:
        """Count what is late and still waits among the misses, at the end of a run."""
        for queue in self.queues.values():
            for ready_s, _, _ in queue.waiting:
                if self.now - ready_s > self.shape.goal_s:
                    self.misses.add(ready_s + self.shape.goal_s, self.now)

    # -- events ------------------------------------------------------------------------------------

    def _happen(self, kind: int, worker: Worker, task: Arrival, failures: int) -> None:
        """Let a retry become ready, or a worker."""
        if kind == _DUE:
            self.tasks.scheduled -= 1
            self.queues[task.queue].scheduled -= 1
            self._offer(task, failures)
        elif worker.life is Life.STARTING:
            self.crew.ready(worker, self.now)
            self._dispatch()

    def _offer(self, task: Arrival, failures: int) -> None:
        """Make a task ready: a free slot takes it, else it waits in its queue."""
        self.counts.arrivals += 1
        queue = self.queues.get(task.queue)
        if queue is None:
            queue = self.queues[task.queue] = Queue()
        free = self.crew.free
        if free:
            self._start(free.popleft(), queue, task, self.now, failures)
            return
        if not self.tasks.waiting:
            self.misses.settle()
        queue.waiting.append((self.now, task, failures))
        self.tasks.waiting += 1

    def _start(self, worker: Worker, queue: Queue, task: Arrival, ready_s: float, failures: int) -> None:
        now, counts = self.now, self.counts
        if now > ready_s:
            counts.waits.add(now - ready_s)
            if now - ready_s > self.shape.goal_s:
                self.misses.add(ready_s + self.shape.goal_s, now)
        else:
            counts.at_once += 1
        worker.busy += 1
        queue.claimed += 1
        self.tasks.running += 1
        counts.busy_slot_s -= now
        kind, run_s = _ENDED, task.run_s
        for outage in self.shape.outages:
            if outage.hits(now, task.name):
                kind, run_s = _FAILED, outage.fails_after_s
        # As _push, without the call: this runs once for every attempt.
        self._order += 1
        heappush(self._events, (now + run_s, self._order, kind, worker, task, failures))
        if self.shape.memory is not None:
            self._take_memory(worker, self._memory.task_bytes.get(task.name, 0))

    def _end(self, kind: int, worker: Worker, task: Arrival, failures: int) -> None:
        counts, tasks = self.counts, self.tasks
        counts.finished += 1
        counts.busy_slot_s += self.now
        tasks.running -= 1
        self.queues[task.queue].claimed -= 1
        if kind == _ENDED:
            tasks.done += 1
            counts.run_times.add(task.run_s)
            run = counts.runs.get(task.name)
            if run is None:
                run = counts.runs[task.name] = [0, 0.0]
            run[0] += 1
            run[1] += task.run_s
        else:
            counts.failed += 1
            tasks.failed += 1
            self._fail(task, failures)
        if self.shape.memory is not None:
            self._take_memory(worker, -self._memory.task_bytes.get(task.name, 0))
        self._freed(worker)

    def _freed(self, worker: Worker) -> None:
        """Give the slot that has become free to the next task, or let the worker go that drains."""
        if worker.life is Life.DRAINING:
            self.crew.pass_to(self.now)
            worker.busy -= 1
            if not worker.busy:
                self.crew.remove(worker, self.now)
            return
        worker.busy -= 1
        if self.tasks.waiting:
            queue = self._next_queue()
            ready_s, task, failures = queue.waiting.popleft()
            self._start(worker, queue, task, ready_s, failures)
        else:
            self.crew.free.append(worker)

    def _fail(self, task: Arrival, failures: int) -> None:
        """Let a failed task wait for its next attempt, or be dead after its last."""
        shape, tasks = self.shape, self.tasks
        if failures >= shape.max_retries:
            tasks.dead += 1
            return
        chance = self._order * _GOLDEN % 1.0
        delay_s = retry_delay_s(failures, shape.retry_delay_s, shape.max_retry_delay_s, chance)
        tasks.scheduled += 1
        self.queues[task.queue].scheduled += 1
        self._push(self.now + delay_s, _DUE, _NOBODY, task, failures + 1)

    # -- what is next ------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give waiting tasks to free slots. `free` is looked up each time: a kill replaces it."""
        while self.tasks.waiting and self.crew.free:
            queue = self._next_queue()
            ready_s, task, failures = queue.waiting.popleft()
            self._start(self.crew.free.popleft(), queue, task, ready_s, failures)

    def _next_queue(self) -> Queue:
        """Return the first queue that has a task, or the one that has starved longest; it is served."""
        chosen, starved_since = _NO_QUEUE, self.now - self.shape.starvation_after_s
        for queue in self.queues.values():
            if not queue.waiting:
                continue
            if chosen is _NO_QUEUE:
                chosen = queue
                continue
            since = max(queue.waiting[0][0], queue.served_s)
            if since <= starved_since:
                chosen, starved_since = queue, since
        chosen.served_s = self.now
        self.tasks.waiting -= 1
        return chosen

    def _push(self, at_s: float, kind: int, worker: Worker, task: Arrival, failures: int) -> None:
        self._order += 1
        heappush(self._events, (at_s, self._order, kind, worker, task, failures))

    def _boot(self) -> None:
        worker = self.crew.start(self.now)
        self._push(self.now + self.shape.boot_s, _BOOTED, worker, _NOTHING, 0)

    # -- memory ------------------------------------------------------------------------------------

    def _take_memory(self, worker: Worker, amount_bytes: int) -> None:
        """Note what a task takes, or gives back; above the limit the kernel kills the largest worker."""
        worker.memory_bytes += amount_bytes
        self.crew.memory_bytes += amount_bytes
        limit_bytes = self._memory.limit_bytes
        if limit_bytes is not None and amount_bytes > 0 and self.crew.memory_bytes > limit_bytes:
            self._kill(max(self.crew.workers, key=lambda one: (one.memory_bytes, one.number)))

    def _kill(self, victim: Worker) -> None:
        """Lose a worker: its tasks are charged an attempt and go back, and another worker starts for it."""
        staying = victim.life is not Life.DRAINING
        self.tasks.kills += 1
        self.crew.lose(victim, self.now)
        lost = [event for event in self._events if event[3] is victim and event[2] != _BOOTED]
        self._events[:] = [event for event in self._events if event[3] is not victim]
        heapify(self._events)
        for _, _, _, _, task, failures in sorted(lost, reverse=True):
            self.counts.finished += 1
            self.counts.failed += 1
            self.counts.busy_slot_s += self.now
            self.tasks.running -= 1
            self.queues[task.queue].claimed -= 1
            self.tasks.failed += 1
            self._fail(task, failures)
        if staying:
            self._boot()
