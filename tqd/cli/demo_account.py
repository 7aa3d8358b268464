"""The account: what became of every task, from the tasks' own journal alone. Pure.

A task's attempts are put in the order of their fences. Between one and the next there are two honest
stories: the first raised and the retry was charged, or it was in the hands of the worker that was
killed, and was given back. Everything else is a fault, and is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from tqd.cli.demo_journal import Entry, Word

_TOLD = 3


class Attempt:
    """One attempt; `end` is None while it runs, and for ever when it was cut off."""

    __slots__ = ("attempt", "began", "end", "fence", "number", "pid")

    def __init__(self, entry: Entry) -> None:
        self.number = entry.number
        self.pid = entry.pid
        self.fence = entry.fence
        self.attempt = entry.attempt
        self.began = entry.at
        self.end: Word | None = None


class Ledger:
    """The journal's entries as attempts, and what the live view counts."""

    def __init__(self) -> None:
        self.attempts: dict[int, list[Attempt]] = {}
        self.done: set[int] = set()
        self.raised = 0
        self.in_hand: dict[int, set[int]] = {}

    def note(self, entries: Iterable[Entry]) -> None:
        """Take in what is new. An attempt's end follows its beginning; it is in the same file."""
        for entry in entries:
            attempts = self.attempts.setdefault(entry.number, [])
            held = self.in_hand.setdefault(entry.pid, set())
            if entry.word is Word.BEGAN:
                attempts.append(Attempt(entry))
                held.add(entry.number)
                continue
            held.discard(entry.number)
            for attempt in attempts:
                if (attempt.pid, attempt.fence) == (entry.pid, entry.fence):
                    attempt.end = entry.word
            if entry.word is Word.DONE:
                self.done.add(entry.number)
            else:
                self.raised += 1

    def ended(self, word: Word, pid: int | None = None) -> int:
        """Return how many attempts ended so, in one process or in all."""
        return sum(
            attempt.end is word and pid in (None, attempt.pid)
            for attempts in self.attempts.values()
            for attempt in attempts
        )

    def again(self, numbers: Iterable[int], killed: int) -> list[float]:
        """Return when the tasks of a killed process began again elsewhere, for those that did."""
        moments = []
        for number in numbers:
            attempts = self.attempts[number]
            fence = max((one.fence for one in attempts if one.pid == killed), default=0)
            later = [one.began for one in attempts if one.pid != killed and one.fence > fence]
            if later:
                moments.append(min(later))
        return moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of the tasks. `cut_off`, `unsettled` and `not_begun` are the three states in which
    a killed worker may have had a task: in the middle, ended but Redis did not know yet, claimed only."""

    enqueued: int
    done: int
    done_twice: int
    retried: int
    cut_off: int
    unsettled: int
    not_begun: int
    dead: int
    missing: tuple[int, ...]
    unexplained: tuple[str, ...]

    @property
    def recovered(self) -> int:
        """Tasks that were taken out of the dead worker's hands."""
        return self.cut_off + self.unsettled + self.not_begun

    @property
    def repeated(self) -> int:
        """Attempts that began and had to be made once more."""
        return self.cut_off + self.unsettled

    @property
    def lost(self) -> int:
        """Tasks of which nobody knows any more."""
        return max(0, len(self.missing) - self.dead)


def account(ledger: Ledger, enqueued: int, killed: int | None, dead: int) -> Account:
    """Return the account of the tasks 0 to `enqueued` - 1; `dead` is the number of dead letters."""
    cut_off = unsettled = not_begun = 0
    unexplained: list[str] = []
    for number, attempts in sorted(ledger.attempts.items()):
        if not 0 <= number < enqueued:
            unexplained.append(f"task {number} ran and was never enqueued")
        attempts = sorted(attempts, key=lambda one: (one.fence, one.began))
        silent = attempts[-1].fence - len(attempts)
        not_begun += max(0, silent)
        if silent and killed is None:
            unexplained.append(f"task {number} was claimed {silent} times without being begun")
        for before, after in pairwise(attempts):
            story = _story(before, after, killed)
            cut_off += story == "cut off"
            unsettled += story == "unsettled"
            if story not in ("retried", "cut off", "unsettled"):
                unexplained.append(story)
    return Account(
        enqueued=enqueued,
        done=len(ledger.done & set(range(enqueued))),
        done_twice=ledger.ended(Word.DONE) - len(ledger.done),
        retried=ledger.raised,
        cut_off=cut_off,
        unsettled=unsettled,
        not_begun=not_begun,
        dead=dead,
        missing=tuple(number for number in range(enqueued) if number not in ledger.done),
        unexplained=tuple(unexplained),
    )


def _story(before: Attempt, after: Attempt, killed: int | None) -> str:
    if after.fence == before.fence:
        return f"task {before.number} ran twice under one claim, in pid {before.pid} and pid {after.pid}"
    if before.end is Word.RAISED and after.attempt == before.attempt + 1:
        return "retried"
    if before.pid == killed:
        return "cut off" if before.end is None else "unsettled"
    how = f"had {before.end} it" if before.end else "was running it"
    return f"task {before.number} ran again though pid {before.pid} {how} and was not killed"


def faults(account: Account, killed: int | None) -> list[str]:
    """Return what is wrong with the account, one sentence each; nothing when it balances."""
    found = []
    if account.lost:
        found.append(f"{account.lost:,} of {account.enqueued:,} tasks are lost: {_some(account.missing)}")
    if account.dead:
        found.append(f"{account.dead:,} tasks became dead letters; every task was to succeed in the end")
    if account.unexplained:
        more = len(account.unexplained) - _TOLD
        rest = f"; and {more:,} more" if more > 0 else ""
        found.append("without the kill as cause: " + "; ".join(account.unexplained[:_TOLD]) + rest)
    if killed is None:
        found.append("no worker was killed, so nothing was shown: none had tasks in hand when it was time")
    elif not account.recovered:
        found.append("nothing was recovered: the killed worker's tasks did not come back")
    return found


def _some(numbers: tuple[int, ...]) -> str:
    told = ", ".join(str(number) for number in numbers[:10])
    return f"numbers {told}" + (" and more" if len(numbers) > 10 else "")
