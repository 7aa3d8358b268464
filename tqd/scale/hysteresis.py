"""What keeps the number of workers still: rows of votes, cooldowns, and shrinks that were regretted. Pure."""

from __future__ import annotations

from typing import NamedTuple

from tqd.scale.decision import Veto, VetoKind
from tqd.scale.settings import Mode, ScaleSettings

REGRETTED_WITHIN = 1.2
HELD_FOR = 2.5
MOST_HELD_S = 3600.0
"""In cooldowns of shrinking. A shrink that a growth undoes within the first was wrong, and there is no other
for the second, an hour at most. A load of this rhythm comes back within a cooldown and 1.2, so once more
before the hold ends, and then finds its workers. Simulated on bursts, on/off, heavy-tailed and memory-hungry
loads of four seeds each: at most 2 flaps per hour, where 1.5 and 1.5 had up to 2.5, for about the same
worker-hours."""

MOST_REGRETS, REGRETS_S = 2, 3600.0
"""No more shrinks than that are regretted in that time, in s: after so many there is no other before the
first of them is so long ago. Whatever the load, and with a cooldown of five minutes or more, the number is
thus taken down and up again within five minutes at most twice in an hour."""

CALM_COOLDOWNS = 0.2
_ECHO_S = 1.0


class Changes(NamedTuple):
    """When the number was changed, on the monotonic clock, and for how long the same has been proposed.

    `streak` is positive for proposals to grow and negative for those to shrink. `changed_at` is the last
    change of any kind; `grown_at` and `shrunk_at` are those that votes brought about. `regrets` are the last
    growths that undid a shrink, `MOST_REGRETS` at most; until `regret_until` there is no other shrink.
    """

    streak: int = 0
    grown_at: float | None = None
    shrunk_at: float | None = None
    changed_at: float | None = None
    regret_until: float | None = None
    regrets: tuple[float, ...] = ()


def regret_s(settings: ScaleSettings) -> float:
    """Return for how long a shrink that was undone keeps others from happening, in s."""
    return min(MOST_HELD_S, HELD_FOR * settings.scale_down_cooldown_seconds)


def calm_s(settings: ScaleSettings) -> float:
    """Return over how long the arrivals are averaged that a shrink has to be enough for, in s.

    A minute by default: the arrivals of some seconds are a quarter less than usual every few minutes, by
    chance alone.
    """
    return settings.scale_down_cooldown_seconds * CALM_COOLDOWNS


def proposed(changes: Changes, direction: int) -> Changes:
    """Return it after a sample that proposes to grow (1), to shrink (-1) or neither (0)."""
    if direction == 0:
        streak = 0
    elif changes.streak * direction > 0:
        streak = changes.streak + direction
    else:
        streak = direction
    return changes if streak == changes.streak else changes._replace(streak=streak)


def heard(
    changes: Changes, settings: ScaleSettings, grown_at: float | None, changed_at: float | None
) -> Changes:
    """Return it with what other daemons have done that share the work: one cooldown holds for all of them.

    A moment that comes back from them is some ms off, and no other one.
    """
    if grown_at is not None and _later(grown_at, changes.grown_at):
        changes = _regretted(changes, settings, grown_at)._replace(grown_at=grown_at)
    if changed_at is not None and _later(changed_at, changes.changed_at):
        changes = changes._replace(changed_at=changed_at)
    return changes


def _later(at: float, before: float | None) -> bool:
    return before is None or at > before + _ECHO_S


def changed(changes: Changes, settings: ScaleSettings, direction: int, now: float, *, voted: bool) -> Changes:
    """Return it after a change; `voted`: the load was the reason, so the cooldown of its direction begins."""
    if not voted:
        return changes._replace(streak=0, changed_at=now)
    if direction < 0:
        return changes._replace(streak=0, changed_at=now, shrunk_at=now)
    changes = _regretted(changes, settings, now)
    return changes._replace(streak=0, changed_at=now, grown_at=now)


def _regretted(changes: Changes, settings: ScaleSettings, now: float) -> Changes:
    """Return it after a growth: one that undoes a shrink soon is held against the next shrink."""
    shrunk_at, grown_at, regrets = changes.shrunk_at, changes.grown_at, changes.regrets
    within_s = min(MOST_HELD_S, REGRETTED_WITHIN * settings.scale_down_cooldown_seconds)
    if shrunk_at is None or now - shrunk_at >= within_s:
        return changes
    # A shrink is regretted once, however many growths follow it.
    if grown_at is None or grown_at <= shrunk_at:
        regrets = (*regrets, now)[-MOST_REGRETS:]
    until = now + regret_s(settings)
    if len(regrets) == MOST_REGRETS:
        until = max(until, regrets[0] + REGRETS_S)
    return changes._replace(regret_until=until, regrets=regrets)


def cooldown_left_s(changes: Changes, settings: ScaleSettings, direction: int, now: float) -> float:
    """Return how long no change in that direction may be made for the last one's sake, in s.

    Growing waits for growth alone. Shrinking waits for any change: what was just added has to show first
    whether it is needed.
    """
    if direction > 0:
        return _left(changes.grown_at, settings.scale_up_cooldown_seconds, now)
    return _left(changes.changed_at, settings.scale_down_cooldown_seconds, now)


def _left(since: float | None, length_s: float, now: float) -> float:
    return 0.0 if since is None else max(0.0, since + length_s - now)


def turns(passed_over: int, settings: ScaleSettings) -> int:
    """Return how many places a daemon moves up for the steps that were others' and did not end the need."""
    return passed_over // settings.consecutive_signals_required


def vetoes(changes: Changes, settings: ScaleSettings, direction: int, now: float) -> list[Veto]:
    """Return what of all this stands against a change in that direction now."""
    found = []
    row, required = abs(changes.streak), settings.consecutive_signals_required
    if row < required:
        text = f"it takes {required} samples in a row, this is number {row}"
        found.append(Veto(VetoKind.STREAK, text))
    left_s = cooldown_left_s(changes, settings, direction, now)
    if left_s > 0:
        what = "last growth" if direction > 0 else "last change"
        what = "last advice" if settings.mode is Mode.ADVISE else what
        text = f"the cooldown after the {what} lasts {left_s:.0f} s more"
        found.append(Veto(VetoKind.COOLDOWN, text))
    if direction < 0 and changes.regret_until is not None and now < changes.regret_until:
        left_s = changes.regret_until - now
        text = f"the last shrink was undone soon after, so the number stays for {left_s:.0f} s"
        found.append(Veto(VetoKind.REGRET, text))
    return found
