"""What the kills say that nobody explains: a task may be the reason, or somebody outside. Pure.

A task may have its process killed in a way that nobody sees (native code, a process that it has started); or
somebody kills processes at random. A worker that is killed within a second after another one speaks against
what both had in hand: that had been taken back and begun anew in between, as quickly as only a task does it
again and again (`blaming` makes suspects of them, if they are few). Kills at a slower pace say less.

One kill of a probe says nothing either. The task in its hand is taken to be the reason when its attempts end
alike:

- two in a row that were killed in their first half second;
- or three in a row that were killed at ages within a quarter of a second, or 5 %, of each other.

Before that the task was there when two workers, or four, were killed, else it were no suspect. How often
an innocent is met: when something kills the probe at random moments, every 10 s on average, three kills in a
row meet a long task alike once in 300 times, every 30 s once in 1,000 (held by a test). And that only to
those few that two kills of workers have met before. Somebody who kills process after process as soon
as this task has begun in it, four times, cannot be told from it.

What ends in neither way is bounded as well: a task is given up at its tenth death (`MOST_DEATHS`).
"""

from __future__ import annotations

from collections.abc import Sequence

from tqd.task.claim import Blame

QUICK_S = 1.0

EARLY_S = 0.5
EARLY_KILLS = 2
ALIKE_S = 0.25
ALIKE_SHARE = 0.05
ALIKE_KILLS = 3

MOST_TASKS = 100
"""Suspects whose kills are remembered; the one that was killed longest ago is forgotten first."""


def alike(ages_s: Sequence[float]) -> bool:
    """Tell whether attempts that were killed at these ages, the oldest first, have killed themselves."""
    early = ages_s[-EARLY_KILLS:]
    if len(early) == EARLY_KILLS and max(early) <= EARLY_S:
        return True
    last = ages_s[-ALIKE_KILLS:]
    return len(last) == ALIKE_KILLS and max(last) - min(last) <= max(ALIKE_S, ALIKE_SHARE * max(last))


class Kills:
    """Remembers when a worker was killed last, and at what ages the attempts of suspects that ran alone."""

    def __init__(self) -> None:
        self._ages_s: dict[bytes, list[float]] = {}
        self._worker_at: float | None = None

    def of_worker(self, now: float) -> Blame:
        """Take in the kill of a worker; returns what it says of what that had in hand."""
        before, self._worker_at = self._worker_at, now
        return Blame.KILL if before is None or now - before > QUICK_S else Blame.AGAIN

    def of_probe(self, task_id: bytes, age_s: float) -> Sequence[float]:
        """Take in the kill of a probe; returns the ages of those that show its task to be the reason.

        Empty when they do not.
        """
        ages_s = [*self._ages_s.pop(task_id, ()), age_s][-ALIKE_KILLS:]
        if alike(ages_s):
            return ages_s
        self._ages_s[task_id] = ages_s
        while len(self._ages_s) > MOST_TASKS:
            del self._ages_s[next(iter(self._ages_s))]
        return ()
