"""Auto-scaling in the master: asks how things are, steps the autoscaler, does and tells what it decides.

What is decided is up to `tqd.scale`; here is when, from what, and what is remembered over a restart. The
master does not wait for a sample: one that does not come makes the next decision one about old figures, and
that is to hold.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from tqd.clock import monotonic, wall_iso, wall_ms
from tqd.config.autoscaler_settings import scale_settings
from tqd.config.model import Config
from tqd.master import scaling_views
from tqd.master.by_hand import ByHand, kept
from tqd.master.children import Children
from tqd.master.crew import Member
from tqd.master.events import Event, RecycleAsked, ResizeAsked
from tqd.master.fleet import Fleet, Phase
from tqd.master.journal import Journal
from tqd.master.measuring import Moment, holds, measure
from tqd.master.recollection import packed, unpacked
from tqd.master.reports import Reports
from tqd.master.seats import KEEPER, ChildState
from tqd.scale import adapt, manual
from tqd.scale.autoscaler import step
from tqd.scale.decision import Decision
from tqd.scale.settings import Mode, ScaleSettings, pause_s
from tqd.scale.state import State
from tqd.scale.telling import MOST_DECISIONS, current_s, worth_telling
from tqd.scale.view import STALE_INTERVALS
from tqd.system.memory import MemorySense
from tqd.wire.messages import MOST_DECISION_BYTES, Decided, SampleRequest, Wanting
from tqd.wire.parts import parted

SAVE_S = 60.0
"""How old may be what Redis has of the state, beside what was decided or ordered."""

LEAST_TOLD_S = 15.0
"""For how long the others know at least what this daemon wants: longer than a keeper is away."""

PATIENCE_S = 0.5
"""How long a decision waits for the sample that was asked for, and at most half of an interval."""


class Scaling:
    """`after` does what is due; the other methods are what operators ask for."""

    def __init__(
        self,
        config: Callable[[], Config],
        fleet: Fleet,
        children: Children,
        reports: Reports,
        memory: MemorySense,
        journal: Journal,
        feed: Callable[[Event], None],
        now: float,
    ) -> None:
        self._config = config
        self._fleet = fleet
        self._children = children
        self._reports = reports
        self._memory = memory
        self._journal = journal
        self._feed = feed
        self._known = config(), scale_settings(config().autoscaler)
        self._since = now
        self._started_at = wall_iso()
        self._reloaded_at: float | None = None
        self._state = State()
        self._stepped_at = now
        self._before: dict[str, str] = {}
        self._asked_at: float | None = None
        self._asked_last = now
        self._saved_at = now
        self._recalled = False
        self._rests = False
        self._by_hand: set[ByHand] = set()
        self._told: Decision | None = None
        self._last: dict[str, Any] | None = None
        self._handed_over = True  # perhaps by an earlier run
        self._decisions: deque[dict[str, Any]] = deque(maxlen=MOST_DECISIONS)

    @property
    def settings(self) -> ScaleSettings:
        """Return the rules that hold now."""
        config = self._config()
        if config is not self._known[0]:
            self._known = config, scale_settings(config.autoscaler)
        return self._known[1]

    @property
    def acting(self) -> bool:
        """Whether it changes the number of workers."""
        return self.settings.mode is Mode.ACT

    def next_deadline(self) -> float | None:
        """Return when a step is due even without a sample, on the monotonic clock."""
        settings = self.settings
        if settings.mode is Mode.OFF or self._fleet.phase is not Phase.RUNNING:
            return None
        if self._asked_at is not None:
            return self._asked_at + _patience_s(settings)
        return self._asked_last + self._interval_s(settings)

    def reloaded(self, now: float) -> None:
        """Note that a new generation serves: what its workers need is not known yet."""
        self._reloaded_at = now

    def after(self, now: float) -> None:
        """Do what is due after a round of events."""
        self._recall(now)
        settings = self.settings
        if settings.mode is Mode.OFF:
            self._rests = True
            self._retract()
            return
        if self._fleet.phase is not Phase.RUNNING:
            return
        if self._rests:
            self._begin(now)
        if self._asked_at is None and now >= self._asked_last + self._interval_s(settings):
            self._ask(now)
        elif self._asked_at is not None and self._answered(settings, now):
            self._step(settings, now)

    def ordered(self, workers: int, present: int, now: float) -> None:
        """Take in an operator's number, which holds for a while."""
        if self.settings.mode is not Mode.OFF:
            order = manual.order(workers, present, now)
            self._set(ByHand.ORDER, self._state._replace(order=order), now)

    # -- steps -----------------------------------------------------------------------------------

    def _interval_s(self, settings: ScaleSettings) -> float:
        return pause_s(settings.interval, self._fleet.wanted.workers)

    def _begin(self, now: float) -> None:
        """Start with an interval of its own: what was counted before is of another time."""
        self._rests = False
        self._reports.telemetry.windows.take(now)
        self._stepped_at = self._asked_last = now
        self._asked_at, self._before = None, {}

    def _ask(self, now: float) -> None:
        """Ask the keeper for the queues and the workers for a beat; both answer in some ms."""
        self._asked_at = self._asked_last = now
        self._tell_others(self._fleet.wanted.workers, now)
        self._children.sample(now)
        for member in self._workers():
            self._children.send(member.seat, SampleRequest())

    def _tell_others(self, workers: int, now: float) -> None:
        """Tell the daemons that share the work what this one wants: all of them take one step together."""
        settings, changes = self.settings, self._state.changes
        if settings.mode is Mode.ACT:
            ttl_ms = round(1000 * max(LEAST_TOLD_S, STALE_INTERVALS * settings.interval))
            grown_ms, changed_ms = (_ms_ago(at, now) for at in (changes.grown_at, changes.changed_at))
            self._children.send(KEEPER, Wanting(workers, grown_ms, changed_ms, ttl_ms))

    def _answered(self, settings: ScaleSettings, now: float) -> bool:
        assert self._asked_at is not None
        fresh = self._reports.depths.at > self._asked_at
        heard = all(member.beat_at > self._asked_at for member in self._workers() if member.beat)
        return (fresh and heard) or now >= self._asked_at + _patience_s(settings)

    def _step(self, settings: ScaleSettings, now: float) -> None:
        self._reports.refresh(self._children.crew.values())
        self._reports.weigh(self._workers(), now)
        depths = self._reports.depths
        moment = Moment(
            depths=depths,
            recent=self._reports.telemetry.take(self._staying(), depths, now),
            memory=self._memory.state(),
            queues=self._config().queues,
            slots=self._config().workers.max_concurrent_tasks,
            before=self._before,
            since_start_s=now - self._since,
            since_reload_s=None if self._reloaded_at is None else now - self._reloaded_at,
            suspended=self._suspended(),
        )
        sample = measure(self._fleet, self._children.crew, moment, now)
        self._state, decision = step(settings, self._state, sample, now)
        self._stepped_at, self._before = now, holds(sample)
        self._asked_at = None
        self._carry_out(decision, now)

    def _suspended(self) -> str:
        """Return why no worker would start anything, in words; empty when they would."""
        if self._fleet.wanted.quiet:
            return "the daemon is quiet"
        return "the workers crash" if self._fleet.breaker.open else ""

    def _workers(self) -> list[Member]:
        crew = self._children.crew
        return [crew[seat.name] for seat in self._fleet.seats.workers() if seat.name in crew]

    def _staying(self) -> list[Member]:
        """Return the ready workers that are to stay: what the others say is about their end."""
        crew, seats = self._children.crew, self._fleet.seats.workers()
        ready = [seat.name for seat in seats if seat.state is ChildState.READY and not seat.leaving]
        return [crew[name] for name in ready if name in crew]

    def _carry_out(self, decision: Decision, now: float) -> None:
        self._last = {"at": wall_iso(), **decision.plain()}
        news = worth_telling(self._told, decision)
        if news:
            self._tell(decision, self._last)
        self._hand_over(self._last, news)
        if decision.changes and decision.mode is Mode.ACT:
            self._feed(ResizeAsked(decision.to_workers))
            self._tell_others(decision.to_workers, now)
        if decision.recycle and decision.mode is Mode.ACT:
            self._recycle(decision)
        if decision.changes or now - self._saved_at >= SAVE_S:
            self._save(now)

    def _recycle(self, decision: Decision) -> None:
        """Have the worker replaced that takes the most memory."""
        known = [member for member in self._workers() if member.pss_bytes]
        if known:
            largest = max(known, key=lambda member: member.pss_bytes or 0)
            size = (largest.pss_bytes or 0) / 1_048_576
            self._feed(RecycleAsked(largest.seat, f"its memory (PSS) is {size:.0f} MB; {decision.sentence}"))

    def _tell(self, decision: Decision, plain: dict[str, Any]) -> None:
        self._told = decision
        self._decisions.append(plain)
        signals = {signal.name: signal.value for signal in decision.signals or ()}
        self._journal.info(
            "scaling_decision", action=str(decision.action), rule=str(decision.rule),
            was=decision.from_workers, workers=decision.to_workers, mode=str(decision.mode),
            sentence=decision.sentence, **signals,
        )  # fmt: skip

    def _hand_over(self, plain: dict[str, Any], news: bool) -> None:
        """Have each decision kept as the very last one: others than this daemon ask Redis for it."""
        data = json.dumps(plain).encode()
        if len(data) <= MOST_DECISION_BYTES:
            self._handed_over = True
            self._children.send(KEEPER, Decided(data, news, current_s(self.settings.interval)))

    def _retract(self) -> None:
        """Have no last decision any more, also of an earlier run: it is off."""
        self._last = None
        if self._handed_over:
            self._handed_over = not self._children.send(KEEPER, Decided(b"", noted=False))

    # -- what outlives the daemon ----------------------------------------------------------------

    def _save(self, now: float) -> None:
        """Have the state kept; when the keeper is away, the next one is as good.

        Not before it is known what an earlier run has left: that would be lost.
        """
        if not self._recalled:
            return
        self._saved_at = now
        for part in parted(packed(self._state, now, wall_ms())):
            if not self._children.send(KEEPER, part):
                return

    def _recall(self, now: float) -> None:
        recollection = self._reports.recollection
        if self._recalled or not recollection.over:
            return
        self._recalled = True
        self._decisions.extendleft(reversed(recollection.decisions))
        if recollection.data:
            recalled, problem = unpacked(recollection.data, now, wall_ms())
            if problem:
                self._journal.warning("the autoscaler starts anew", reason=problem)
            else:
                self._state = kept(recalled, self._state, self._by_hand)
        if self._by_hand:
            self._save(now)

    # -- what operators ask for ------------------------------------------------------------------

    def picture(self, now: float) -> dict[str, object]:
        """Return what `tqd status` shows of it."""
        return scaling_views.picture(self.settings, self._state, self._last, now)

    def why(self, count: int) -> dict[str, Any]:
        """Return the last decisions, and whether the last one of them says how things are now."""
        return {
            "mode": str(self.settings.mode),
            "started_at": self._started_at,
            "current": self._last is not None,
            "decisions": self.decisions(count),
        }

    def decisions(self, count: int) -> list[dict[str, Any]]:
        """Return the last decisions that were told, and the very last one, the newest last."""
        told, last = list(self._decisions)[-count:], self._last
        if last is not None and last not in told:
            told.append(last)
        return told[-count:]

    def thresholds(self, now: float) -> dict[str, object]:
        """Return each threshold as it was set and as it was learned, with its bounds."""
        return scaling_views.thresholds(self.settings, self._state, now)

    def freeze(self, frozen: bool) -> None:
        """Learn no more, or learn again."""
        self._learn(ByHand.FROZEN, adapt.freeze(self._state.learned, frozen))
        self._journal.info("thresholds are frozen" if frozen else "thresholds are learned again")

    def reset(self) -> None:
        """Forget what was learned."""
        before = self._state.learned.factor
        self._learn(ByHand.RESET, adapt.reset(self._state.learned))
        self._journal.info("learned thresholds are forgotten", factor=round(before, 4))

    def _learn(self, by_hand: ByHand, learned: adapt.Learned) -> None:
        self._set(by_hand, self._state._replace(learned=learned), monotonic())

    def _set(self, by_hand: ByHand, state: State, now: float) -> None:
        """Take over a state that an operator has changed."""
        self._state = state
        self._by_hand.add(by_hand)
        self._save(now)


def _ms_ago(at: float | None, now: float) -> int:
    return -1 if at is None else max(0, round((now - at) * 1000))


def _patience_s(settings: ScaleSettings) -> float:
    return min(PATIENCE_S, settings.interval / 2)
