"""Runs claimed tasks: from the claim's bytes to an outcome, and from the outcome to the settler.

Every attempt is an asyncio task of its own (`runner`), with its own context, so that it can be
cancelled alone. Time limits are enforced by one sweep over the attempts in hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from tqd.app import Handler, Registry
from tqd.clock import chance, monotonic
from tqd.errors import WireError
from tqd.log import Log
from tqd.metrics.ledger import NO_HANDLER, SHORT_WAITS_MS, WAIT_CELLS, Page, wait_cell
from tqd.store.worker_store import WorkerStore
from tqd.system.channel import ChildChannel
from tqd.task.claim import Claim
from tqd.task.clocks import has_clocks, on_time, only_delayed, ready_ms
from tqd.task.model import DEFAULTS, NO_OPTIONS, TaskOptions
from tqd.task.outcome import (
    Cancelled,
    Done,
    Expired,
    Outcome,
    Overdue,
    Raised,
    Released,
    TimedOut,
    UnknownName,
    describe,
    unreadable,
)
from tqd.task.settle import (
    settlement,
)
from tqd.wire.envelope import Envelope, decode_envelope
from tqd.wire.messages import Begun
from tqd.wire.seal import Seal
from tqd.worker.contexts import context_of
from tqd.worker.counting import Counting
from tqd.worker.expiries import Expiries
from tqd.worker.finishing import finished
from tqd.worker.inflight import OCCUPANT, Attempt, Inflight, Interruption
from tqd.worker.judging import judge, late_outcome, limit_of
from tqd.worker.lanes import Lanes, outcome_of
from tqd.worker.limits import HardLimits
from tqd.worker.recording import Rows
from tqd.worker.retries import Retries
from tqd.worker.settler import Settler
from tqd.worker.tally import LONG_S, Tally, first_claim

SWEEP_S = 0.1
"""How often time limits are looked at: an attempt may run this much longer than its timeout."""


class Executor:
    """Starts attempts and hands in what follows from their outcomes."""

    def __init__(
        self,
        registry: Registry,
        inflight: Inflight,
        settler: Settler,
        store: WorkerStore,
        channel: ChildChannel,
        log: Log,
        max_bytes: int,
        seal: Seal | None = None,
        memory: Any = None,
    ) -> None:
        self._registry = registry
        self._inflight = inflight
        self._settler = settler
        self._now_ms = store.now_ms
        self._log = log
        self._max_bytes = max_bytes
        self._seal = seal
        self._lanes = Lanes(inflight.slots)
        self._sweeper: asyncio.TimerHandle | None = None
        self._begun = False
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._retries = Retries(log)
        self._expiries = Expiries(log)
        self.tally = Tally(registry, memory)
        self._counting = Counting(self.tally, self._retries, log)
        self.limits = HardLimits(channel, self._time_up)
        self._held = inflight.get
        self._handler_of = registry.get
        self._last_page = self.tally.last_page
        self._batch_ms = 0
        self.rows: Rows | None = None

    def begin_batch(self) -> None:
        """Look at the clocks once for the claims that are started next: their waits end now."""
        self._batch_ms = self._now_ms()
        if self._sweeper is None:
            self._begin()

    def start(self, claim: Claim) -> None:
        """Begin an attempt; what cannot be run is settled at once."""
        held = self._held(claim.task_id)
        if held is not None:
            self._again(held, claim)
            return
        try:
            data = claim.envelope if self._seal is None else self._seal.open(claim.task_id, claim.envelope)
            envelope = decode_envelope(data, self._max_bytes)
        except WireError as error:
            self._settle(claim, unreadable(error), DEFAULTS, self.tally.page(NO_HANDLER, claim.token))
            return
        handler = self._handler_of(envelope.name)
        if handler is None:
            self._unknown(claim, envelope.name)
            return
        page = self._last_page(envelope.name)
        if page is not None and claim.token == page.first:
            first = True
        else:
            page, first = self.tally.page(envelope.name, claim.token), first_claim(claim.token, handler)
        options = handler.options
        waited_ms = self._batch_ms - envelope.enqueued_ms
        if handler.clocked or envelope.options is not NO_OPTIONS:
            waited_ms = self._batch_ms - ready_ms(envelope.enqueued_ms, envelope.options)
            options, late = self._chosen(claim, envelope, handler)
            if late is not None:
                self._settle(claim, late, options, page)
                return
        try:
            args, kwargs = handler.signature.decode(envelope.args, envelope.kwargs)
        except BaseException as error:
            # The handler may be of another version than the producer's: a retry may meet the right one.
            # The constructors of the arguments' classes are user code, and may raise anything as well.
            self._settle(claim, Raised(describe(error)), options, page)
            return
        if first:
            cell = WAIT_CELLS[waited_ms] if 0 <= waited_ms < SHORT_WAITS_MS else wait_cell(waited_ms)
            page.cells[cell] += 1
        attempt = Attempt(claim, handler, options, args, kwargs, page)
        attempt.started = now = monotonic()
        if options.timeout_s:
            attempt.deadline = now + options.timeout_s
        if handler.context_parameter is not None:
            handler.inject(context_of(attempt, envelope), args, kwargs)
        self._inflight.add(attempt)
        run = self._run if handler.asynchronous else self._run_plain
        attempt.runner = self._loop.create_task(run(attempt))
        if options.deadline_s or options.hard_timeout_s:
            self._bind(attempt)

    def _again(self, held: Attempt, claim: Claim) -> None:
        """Take a task that is in hand already, as its id stood twice in the queue: the newer claim counts."""
        held.token = claim.token
        self.limits.tell()

    def _unknown(self, claim: Claim, name: str) -> None:
        page = self.tally.page(NO_HANDLER, claim.token)
        self._settle(claim, UnknownName(name), DEFAULTS, page)

    def _bind(self, attempt: Attempt) -> None:
        """Hold an attempt to its task's deadline, which is a moment here, and to its hard timeout."""
        options = attempt.options
        if options.deadline_s:
            end = attempt.started + options.deadline_s - self._now_ms() / 1000
            attempt.deadline = min(attempt.deadline or end, end)
        if options.hard_timeout_s:
            self.limits.watch(attempt)

    def _begin(self) -> None:
        """Look at time limits from now on; the first time the master is told."""
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        if not self._begun:
            self._begun = self._channel.send(Begun())

    def _chosen(
        self, claim: Claim, envelope: Envelope, handler: Handler
    ) -> tuple[TaskOptions, Expired | Overdue | None]:
        """Return the options of an attempt, and why it cannot begin any more, if that is so."""
        if not handler.clocked and only_delayed(envelope.options):
            return handler.options, None
        options = envelope.options.over(handler.options)
        if not has_clocks(options):
            return options, None
        options, late = on_time(options, envelope.enqueued_ms, claim.token, self._now_ms())
        if isinstance(late, Expired):
            self._expiries.note(envelope.name, claim.task_id, late)
        return options, late

    async def _run(self, attempt: Attempt) -> None:
        OCCUPANT.set(attempt.task_id)
        try:
            value = await attempt.handler.function(*attempt.args, **attempt.kwargs)
        except BaseException as error:
            # Whatever a task raises, SystemExit and KeyboardInterrupt too, it is this attempt's end
            # and not the worker's.
            self._end(attempt, judge(attempt, error))
        else:
            self._done(attempt, value)

    async def _run_plain(self, attempt: Attempt) -> None:
        OCCUPANT.set(attempt.task_id)
        handler = attempt.handler
        lane = attempt.lane = self._lanes.submit(
            handler.function, attempt.args, attempt.kwargs, handler.retry_rules
        )
        try:
            outcome = await outcome_of(lane)
            if isinstance(outcome, Done) and hasattr(type(outcome.value), "__await__"):
                # A plain function around a coroutine, as a decorator makes it: done when that is.
                outcome = Done(await cast(Awaitable[object], outcome.value))
        except BaseException as error:
            if lane.running():
                self._inflight.stray(monotonic())
                lane.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._stray_returned))
            self._end(attempt, judge(attempt, error))
        else:
            if isinstance(outcome, Done):
                self._done(attempt, outcome.value)
            else:
                self._end(attempt, outcome)

    def _stray_returned(self) -> None:
        self._inflight.stray_returned(monotonic())
        self._settler.wake()

    def _done(self, attempt: Attempt, value: object) -> None:
        if not self._inflight.remove(attempt):
            return  # given back or timed out already: the next owner decides
        tally = self.tally
        attempt.handler.done += 1
        tally.last_run_s = run_s = monotonic() - attempt.started
        attempt.page.done(run_s)
        if self.rows is not None:
            self.rows.note(attempt, run_s)
        if run_s >= LONG_S:
            tally.took_long(attempt.handler.name)
        if attempt.options.result_ttl_s:
            self._settler.add(finished(attempt, value, self._now_ms(), self._max_bytes, self._log))
        else:
            self._settler.complete(attempt.task_id, attempt.token)

    def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        if self._inflight.remove(attempt):
            if attempt.interruption is Interruption.CANCEL:
                outcome = Cancelled(attempt.cancel_reason)  # however it ended, when not well
            self.tally.last_run_s = run_s = monotonic() - attempt.started
            attempt.page.ran(run_s)
            if self.rows is not None:
                self.rows.note(attempt, run_s)
            if run_s >= LONG_S:
                self.tally.took_long(attempt.handler.name)
            if isinstance(outcome, TimedOut):
                self.tally.timed_out(attempt.page)
            stretch = self._retries.ended(attempt.handler, outcome)
            self._settle(attempt, outcome, attempt.options, attempt.page, stretch)

    def _settle(
        self, claim: Claim, outcome: Outcome, options: TaskOptions, page: Page, stretch: float = 1.0
    ) -> None:
        decision = settlement(claim, outcome, options, self._now_ms(), chance(), stretch)
        self._counting.settled(decision, page)
        self._settler.add(decision)

    def _sweep(self) -> None:
        self._sweeper = None
        now = monotonic()
        for attempt in self._inflight:
            if attempt.deadline and now >= attempt.deadline and attempt.runner is not None:
                # A handler that swallows its cancellation is cancelled again, once a second.
                if attempt.interruption not in (Interruption.DEADLINE, Interruption.CANCEL):
                    attempt.interruption = limit_of(attempt)
                attempt.deadline = now + 1.0
                attempt.runner.cancel()
        if len(self._inflight):
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def _time_up(self, attempt: Attempt) -> None:
        """Settle an attempt whose hard timeout or grace is over, whatever its code still does; cancel that.

        Its slot stays taken until the code has ended. One that was settled before, as its `timeout` was
        over, is only cancelled.
        """
        runner = attempt.runner
        assert runner is not None
        if self._inflight.get(attempt.task_id) is attempt:
            self._inflight.stray(monotonic())
            runner.add_done_callback(lambda _: self._stray_returned())
            self._end(attempt, late_outcome(attempt, attempt.options.hard_timeout_s, hard=True))
        runner.cancel()

    def cancel(self, attempt: Attempt, reason: str, grace_s: float) -> None:
        """Interrupt an attempt whose task was cancelled; after `grace_s` it is ended whatever it does.

        A thread that runs cannot be interrupted: its context says that it is cancelled.
        """
        if self._inflight.get(attempt.task_id) is not attempt or attempt.interruption is not None:
            return
        assert attempt.runner is not None
        attempt.cancel_reason = reason
        attempt.interruption = Interruption.CANCEL
        self.limits.grant(attempt, grace_s)
        if attempt.lane is None or not attempt.lane.running():
            attempt.runner.cancel()

    def refuse(self, claim: Claim, reason: str) -> None:
        """End a claimed task that was cancelled before it could run."""
        options, page = self._unstarted(claim)
        self._settle(claim, Cancelled(reason), options, page)

    def interrupt(self) -> None:
        """Cancel all attempts, to be given back; what ends otherwise meanwhile counts as it ends."""
        for attempt in self._inflight:
            if attempt.runner is not None and attempt.interruption is None:
                attempt.interruption = Interruption.RELEASE
                attempt.runner.cancel()

    def release(self, claim: Claim) -> None:
        """Give a claim back that was not started."""
        self._settle(claim, Released(), DEFAULTS, self._unstarted(claim)[1])

    def _unstarted(self, claim: Claim) -> tuple[TaskOptions, Page]:
        """Return the options of a claim that is not to be run, and where it is counted."""
        try:
            envelope = decode_envelope(claim.envelope, self._max_bytes)
        except WireError:
            return DEFAULTS, self.tally.page(NO_HANDLER, claim.token)
        handler = self._registry.get(envelope.name)
        if handler is None:
            return envelope.options.over(DEFAULTS), self.tally.page(NO_HANDLER, claim.token)
        return envelope.options.over(handler.options), self.tally.page(envelope.name, claim.token)

    def give_back(self) -> int:
        """Release what is still in hand, running or not: twice is better than never."""
        left = list(self._inflight)
        for attempt in left:
            self._end(attempt, Released())
        return len(left)

    def close(self) -> None:
        """Take no more work into the lanes."""
        self._lanes.close()
        self._expiries.tell()
        if self._sweeper is not None:
            self._sweeper.cancel()
