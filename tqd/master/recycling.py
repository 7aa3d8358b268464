"""When a worker is replaced although it is well: its tasks, its age, its memory. Pure."""

from __future__ import annotations

from collections.abc import Callable

from tqd.master.events import Action, Note, Weighed
from tqd.master.moves import Wanted, fill, retire
from tqd.master.plan import Limits
from tqd.master.seats import ChildState, Seat, Seats

SPREAD = 0.2
"""Limits are reduced by up to this share, by chance: workers that began together do not go together."""

SAMPLES = 3
"""How many readings in a row must be over a memory limit: a peak is no leak."""

FIRST_MINUTE_S = 60.0
"""No worker is replaced for its memory before: one that needs more from the start would go for ever."""

RETRY_S = 60.0
"""After a replacement that failed: the time until the next one is tried."""

_MB = 1_048_576


def own_limit(limit: float, spread: float) -> float:
    """Return a worker's own limit; `spread` in [0, 1) is its share of the chance."""
    return limit * (1.0 - SPREAD * spread)


def too_heavy(weighed: Weighed, limits: Limits) -> str:
    """Return which memory limit a reading exceeds, in words; empty when none."""
    rss, pss = weighed.rss_bytes, weighed.pss_bytes
    if limits.max_rss_bytes and rss > limits.max_rss_bytes:
        return f"its resident memory is {rss / _MB:.0f} MB, limit {limits.max_rss_bytes / _MB:.0f} MB"
    if limits.max_pss_bytes and pss is not None and pss > limits.max_pss_bytes:
        return f"its memory (PSS) is {pss / _MB:.0f} MB, limit {limits.max_pss_bytes / _MB:.0f} MB"
    return ""


def worn_out(seat: Seat, limits: Limits, now: float) -> str:
    """Return why a worker has served long enough, in words; empty when it has not."""
    if limits.max_tasks and seat.done >= (most := own_limit(limits.max_tasks, seat.spread)):
        return f"it has done {seat.done:,} tasks, limit {most:,.0f}"
    age_s = now - seat.since
    if limits.max_age_s and age_s >= (longest := own_limit(limits.max_age_s, seat.spread)):
        return f"it has lived for {age_s:,.0f} s, limit {longest:,.0f} s"
    return ""


def weigh(seat: Seat, weighed: Weighed, limits: Limits, now: float) -> str:
    """Count a reading; return why the worker is to be replaced, in words, or nothing."""
    reason = too_heavy(weighed, limits)
    seat.heavy = seat.heavy + 1 if reason else 0
    if seat.heavy < SAMPLES or now - seat.since < FIRST_MINUTE_S:
        return ""
    return f"{reason}, {seat.heavy} readings in a row"


class Recycler:
    """Replaces one worker at a time: the replacement is ready before the old one drains."""

    def __init__(self, seats: Seats, wanted: Wanted, chance: Callable[[], float]) -> None:
        self._seats = seats
        self._wanted = wanted
        self._chance = chance
        self._not_before = 0.0

    def heard(self, seat: Seat, now: float) -> list[Action]:
        """Look at a worker that has just told what it has done."""
        return self._replace(seat, worn_out(seat, self._wanted.plan.limits, now), now)

    def weighed(self, seat: Seat, event: Weighed, now: float) -> list[Action]:
        """Look at a worker whose memory was read."""
        return self._replace(seat, weigh(seat, event, self._wanted.plan.limits, now), now)

    def asked(self, seat: Seat, reason: str, now: float) -> list[Action]:
        """Replace a worker for its memory, when it is not too young for that."""
        return self._replace(seat, reason, now) if now - seat.since >= FIRST_MINUTE_S else []

    def is_new(self, seat: Seat) -> bool:
        """Tell whether a worker is a replacement that is not ready yet."""
        return seat.state is ChildState.STARTING and self._pair_of(seat.name) is not None

    def gone(self, seat: Seat, now: float) -> None:
        """Take in the end of a worker that was to be replaced, or of the replacement."""
        old = self._pair_of(seat.name)
        if old is not None:
            old.replaced_by = ""
            self._not_before = now + RETRY_S

    def cancel(self, now: float) -> list[Action]:
        """Give up a replacement that is on its way: a roll replaces everybody."""
        actions: list[Action] = []
        for old in self._seats.workers():
            new = self._seats.get(old.replaced_by) if old.replaced_by else None
            old.replaced_by = ""
            if new is not None:
                actions += retire(self._seats, new, 0.0, now)
        return actions

    def advance(self, now: float) -> list[Action]:
        """Let an old worker go whose replacement is ready."""
        actions: list[Action] = []
        for old in self._seats.workers():
            new = self._seats.get(old.replaced_by) if old.replaced_by else None
            if new is not None and new.state is ChildState.READY:
                actions += retire(self._seats, old, self._wanted.plan.grace_s, now)
        return actions

    def _replace(self, seat: Seat, reason: str, now: float) -> list[Action]:
        if not reason or not seat.serving or seat.replaced_by or now < self._not_before:
            return []
        workers = self._seats.workers()
        if any(other.replaced_by for other in workers) or len(workers) >= self._wanted.most():
            return []
        new = self._seats.add_worker(self._wanted.plan.prefix, seat.generation)
        seat.replaced_by = new.name
        fields: dict[str, object] = {"seat": seat.name, "reason": reason, "by": new.name}
        spawn = fill(new, self._wanted.plan, now, self._chance(), patient=True)
        return [Note("info", "worker is recycled", fields), spawn]

    def _pair_of(self, name: str) -> Seat | None:
        return next((seat for seat in self._seats.workers() if seat.replaced_by == name), None)
