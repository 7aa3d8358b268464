"""What became of every task, decided by a journal that tqd does not write. Pure.

Lost: acknowledged, and neither ended nor to be found. Stuck: still waiting when all should be over.
Doubled: run once more than there was a recorded cause for. Charged: an attempt was counted for which the
task is not to blame. All of them have to be none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple

NS = 1e-9
SETTLING_S = 1.0
"""A worker settles what has ended at once; on a busy machine, with a Redis that answers, this much later."""


class Line(NamedTuple):
    """One line of the journal: `word` is began, ended or raised; `at_s` is monotonic."""

    word: str
    number: int
    attempt: int
    fence: int
    pid: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Cause:
    """Why attempts in the hands of these processes may be followed by another, from when until when.

    No `pids`: any process. What had ended `settling_s` before that was settled before that.
    """

    why: str
    since_s: float
    until_s: float
    pids: Set[int] = frozenset()
    settling_s: float = SETTLING_S


@dataclass(slots=True)
class Attempt:
    """One execution as the journal shows it."""

    pid: int
    began_s: float
    number: int
    ended_s: float | None = None
    raised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is wrong, by the tasks' numbers; and how many extra attempts each cause explains."""

    lost: tuple[int, ...]
    doubled: tuple[int, ...]
    stuck: tuple[int, ...]
    charged: tuple[int, ...]
    explained: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.stuck or self.charged)


def read_lines(text: str) -> list[Line]:
    """Return the journal's whole lines; what is being written is left for the next time."""
    lines = []
    for raw in text[: text.rfind("\n") + 1].splitlines():
        word, number, attempt, fence, pid, at_ns = raw.split()
        lines.append(Line(word, int(number), int(attempt), int(fence), int(pid), int(at_ns) * NS))
    return lines


def attempts(lines: Iterable[Line]) -> dict[int, list[Attempt]]:
    """Return each task's attempts in the order of their fences."""
    found: dict[int, dict[int, Attempt]] = defaultdict(dict)
    for line in lines:
        if line.word == "began":
            found[line.number][line.fence] = Attempt(line.pid, line.at_s, line.attempt)
        else:
            attempt = found[line.number][line.fence]
            attempt.ended_s = line.at_s
            attempt.raised = attempt.raised or line.word == "raised"
    return {number: [by[fence] for fence in sorted(by)] for number, by in found.items()}


def judge(
    acknowledged: Mapping[int, bool],
    lines: Iterable[Line],
    causes: Iterable[Cause],
    waiting: Set[int],
    dead: Set[int],
) -> Verdict:
    """Return what became of the tasks.

    `acknowledged` are those whose enqueue has returned → whether they are to fail in the end. `waiting`
    are still in some queue, `dead` among the dead letters.
    """
    causes = list(causes)
    ran = attempts(lines)
    explained: dict[str, int] = defaultdict(int)
    doubled = [number for number, tries in ran.items() if not _explained(tries, causes, explained)]
    lost = [
        number
        for number, fails in acknowledged.items()
        if number not in waiting and not _ended(ran.get(number, []), number in dead, fails)
    ]
    return Verdict(
        lost=tuple(sorted(lost)),
        doubled=tuple(sorted(doubled)),
        stuck=tuple(sorted(waiting)),
        charged=tuple(sorted(number for number, tries in ran.items() if _charged(tries))),
        explained=dict(explained),
    )


def in_hand(lines: Iterable[Line], pids: Set[int], at_s: float) -> set[int]:
    """Return the tasks that these processes had begun and not ended at a moment."""
    held: set[int] = set()
    for line in lines:
        if line.pid in pids and line.at_s <= at_s:
            (held.add if line.word == "began" else held.discard)(line.number)
    return held


def _ended(tries: list[Attempt], dead: bool, fails: bool) -> bool:
    if fails:
        return dead and bool(tries) and tries[-1].raised
    return not dead and bool(tries) and tries[-1].ended_s is not None and not tries[-1].raised


def _explained(tries: list[Attempt], causes: list[Cause], explained: dict[str, int]) -> bool:
    for attempt in tries[:-1]:
        why = "raised" if attempt.raised else _cause(attempt, causes)
        if not why:
            return False
        explained[why] += 1
    return True


def _cause(attempt: Attempt, causes: list[Cause]) -> str:
    for cause in causes:
        ours = not cause.pids or attempt.pid in cause.pids
        in_time = attempt.began_s <= cause.until_s
        unsettled = attempt.ended_s is None or attempt.ended_s >= cause.since_s - cause.settling_s
        if ours and in_time and unsettled:
            return cause.why
    return ""


def _charged(tries: list[Attempt]) -> bool:
    failures = 0
    for attempt in tries:
        if attempt.number > 1 + failures:
            return True
        failures += attempt.raised
    return False
