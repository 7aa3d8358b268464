"""Watches what fails in this process: the retry budgets of the names, and handlers that ask on and on."""

from __future__ import annotations

from tqd.app import Handler
from tqd.clock import monotonic
from tqd.log import Log
from tqd.task.budget import RetryBudget, failed_again, failed_share, stretch
from tqd.task.identity import to_text
from tqd.task.outcome import Outcome, Raised, RetryAsked, TimedOut
from tqd.task.settle import FREE_CLAIMS

ASKED_OFTEN = frozenset((FREE_CLAIMS // 10, FREE_CLAIMS - 1))
"""At these claims of a task it is said that its handler asks for one retry after the other."""


class Retries:
    """Says how much longer a retry waits; a name whose budget is spent is named in the log, once."""

    __slots__ = ("_budgets", "_log", "_slowed")

    def __init__(self, log: Log) -> None:
        self._log = log
        self._budgets: dict[str, RetryBudget] = {}
        self._slowed: set[str] = set()

    def ended(self, handler: Handler, outcome: Outcome) -> float:
        """Take the outcome of an attempt that did not end well; returns the stretch of its retry's delay."""
        if not isinstance(outcome, (Raised, TimedOut)) and not (
            isinstance(outcome, RetryAsked) and outcome.spend
        ):
            return 1.0
        name, done = handler.name, handler.done
        budget = self._budgets[name] = failed_again(self._budgets.get(name), monotonic(), done)
        longer = stretch(budget, done)
        if longer > 1.0 and name not in self._slowed:
            self._slowed.add(name)
            self._log.warning(
                "most attempts of a task fail: its retries wait longer",
                name=name, failed_share=round(failed_share(budget, done), 2), up_to_times=round(longer, 1),
            )  # fmt: skip
        elif longer == 1.0 and budget.failed == 1 and budget.earlier_failed == 0:
            self._slowed.discard(name)  # a window without any failure lies between: the next storm is news
        return longer

    def asked(self, task_id: bytes, claims: int) -> None:
        """Take note of a retry that a handler asked for and that costs none."""
        if claims in ASKED_OFTEN:
            self._log.warning(
                "a task asks to be run again and again",
                task=to_text(task_id), claims=claims, for_free_until=FREE_CLAIMS,
            )  # fmt: skip
