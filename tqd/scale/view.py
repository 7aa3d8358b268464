"""One sample seen through the settings and what is remembered: all that the rules ask for. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tqd.scale import manual
from tqd.scale.decision import Rule, Signals
from tqd.scale.hysteresis import Changes, calm_s, heard, proposed
from tqd.scale.records import Records, absorb
from tqd.scale.sample import Sample
from tqd.scale.seen import Seen, see
from tqd.scale.settings import ScaleSettings
from tqd.scale.signals import measure
from tqd.scale.state import State
from tqd.scale.target import Need, allowed, kept, needed, whole
from tqd.scale.thresholds import Thresholds, thresholds

STALE_INTERVALS = 3.0
LEAST_STALE_S = 5.0
"""Telemetry older than three intervals is stale, but not before it is 5 s old: beats come once per second."""

VOTES_TO_PROPOSE = 2


@dataclass(slots=True)
class View:
    """A sample, and what it comes to. `held` is a rule by which the votes are not even asked for.

    `records` and `changes` are those with this sample in them. `direction` is what the votes propose: 1, -1
    or 0; `breach` that the wait goal alone was enough. `target` is the need of the namespace as a number.
    `cramped` is for how many samples in a row more workers were there than fit
    into memory. `low` and `high` are the bounds of this daemon, an operator's order included.
    """

    settings: ScaleSettings
    state: State
    sample: Sample
    seen: Seen
    now: float
    limits: Thresholds
    records: Records
    changes: Changes
    signals: Signals
    held: Rule | None
    held_why: str
    direction: int
    breach: bool
    votes_up: int
    votes_down: int
    need: Need
    target: int | None
    allowed: int | None
    cramped: int
    low: int
    high: int


def look(settings: ScaleSettings, state: State, sample: Sample, now: float) -> View:
    """Return what the sample comes to."""
    held, why = trust(settings, sample)
    seen = see(sample)
    limits = thresholds(settings, state.learned.factor if settings.enable_adaptive_thresholds else 1.0)
    records = _records(settings, state, sample, now)
    signals = measure(sample, seen, settings, limits, records)
    theirs = _at(sample.others_grown_s, now), _at(sample.others_changed_s, now)
    before = heard(state.changes, settings, *theirs)
    up, down, breach = votes(signals)
    direction = 0 if held else propose(up, down, breach)
    goal_s = settings.target_sla.wait_goal_s
    need = needed(sample.slots, seen, _arrivals_for(direction, records), goal_s, limits)
    if direction < 0:
        need = kept(need, sample.slots, sample.workers, seen, records, limits)
    high = max(settings.min_workers, settings.max_workers)
    low, high = manual.bounds(state.order, settings.min_workers, high)
    fit = allowed(sample, records)
    return View(
        settings=settings,
        state=state,
        sample=sample,
        seen=seen,
        now=now,
        limits=limits,
        records=records,
        changes=before if _told_before(state, sample, now) else proposed(before, direction),
        signals=signals,
        held=held,
        held_why=why,
        direction=direction,
        breach=breach,
        votes_up=up,
        votes_down=down,
        need=need,
        target=whole(need, seen),
        allowed=fit,
        cramped=state.cramped + 1 if fit is not None and fit < sample.workers else 0,
        low=low,
        high=high,
    )


def _records(settings: ScaleSettings, state: State, sample: Sample, now: float) -> Records:
    """Return the records with what is fresh in the sample: nothing is taken in a second time."""
    if _old("the workers", sample.beats_age_s, settings):
        return state.records
    queues = queues_are_fresh(settings, sample)
    return absorb(state.records, sample, calm_s(settings), now, queues=queues)


def _at(ago_s: float | None, now: float) -> float | None:
    return None if ago_s is None else now - ago_s


def _told_before(state: State, sample: Sample, now: float) -> bool:
    """Tell whether the queues were read before the last step: then the sample is no further one in a row."""
    if state.at is None or sample.queues_age_s is None:
        return False
    return sample.queues_age_s > now - state.at


def _arrivals_for(direction: int, records: Records) -> Records:
    """Return the records with the arrivals that count: to shrink, those that are usual, if they are more."""
    now_per_s, usual_per_s = records.arrivals_per_s, records.usual_per_s
    if direction >= 0 or now_per_s is None or usual_per_s is None:
        return records
    return records._replace(arrivals_per_s=max(now_per_s, usual_per_s))


def votes(signals: Signals) -> tuple[int, int, bool]:
    """Return the votes up, the votes down, and whether the wait goal is missed."""
    up = down = 0
    for signal in signals.demand:
        if signal.vote > 0:
            up += 1
        elif signal.vote < 0:
            down += 1
    return up, down, signals.queue_wait.vote > 0


def propose(up: int, down: int, breach: bool) -> int:
    """Return what the votes propose; two against two propose nothing.

    A missed wait goal alone is enough to grow. Nothing is enough to shrink as long as one signal asks for
    more.
    """
    if breach or (up >= VOTES_TO_PROPOSE and down < VOTES_TO_PROPOSE):
        return 1
    return -1 if down >= VOTES_TO_PROPOSE and not up else 0


def trust(settings: ScaleSettings, sample: Sample) -> tuple[Rule | None, str]:
    """Return why nothing may be read from this sample, as a rule and a clause; None when it may.

    In the first interval after the start and after a reload the figures are those of workers that
    were not there yet, or are there no more.
    """
    interval_s = settings.interval
    if sample.suspended:
        return Rule.SUSPENDED, f"{sample.suspended}, so nothing would be started by more workers or fewer"
    if sample.reloading:
        return Rule.RELOADING, "a reload is on its way, and the figures are those of two generations"
    if sample.since_reload_s is not None and sample.since_reload_s < interval_s:
        return Rule.RELOADING, f"the reload was {sample.since_reload_s:.1f} s ago, less than one interval"
    if sample.since_start_s is not None and sample.since_start_s < interval_s:
        return (
            Rule.STARTING,
            f"the daemon was started {sample.since_start_s:.1f} s ago, less than one interval",
        )
    if stale := stale_why(settings, sample):
        return Rule.STALE, stale
    return None, ""


def stale_why(settings: ScaleSettings, sample: Sample) -> str:
    """Return which telemetry is too old to act on, as a clause; empty when none is."""
    if old := _old("the queues", sample.queues_age_s, settings):
        return old
    return _old("the workers", sample.beats_age_s, settings) if sample.workers else ""


def queues_are_fresh(settings: ScaleSettings, sample: Sample) -> bool:
    """Tell whether the reading of the queues may be acted on."""
    return not _old("the queues", sample.queues_age_s, settings)


def _old(what: str, age_s: float | None, settings: ScaleSettings) -> str:
    longest_s = max(LEAST_STALE_S, STALE_INTERVALS * settings.interval)
    if age_s is None:
        return f"nothing has been heard of {what} yet"
    if age_s > longest_s:
        return f"the last word of {what} is {age_s:.1f} s old, limit {longest_s:.0f} s"
    return ""
