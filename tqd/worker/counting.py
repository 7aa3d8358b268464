"""Counts what becomes of attempts that do not just end well, and says in the log what people should know."""

from __future__ import annotations

from tqd.log import Log
from tqd.metrics.ledger import Page
from tqd.task.identity import to_text
from tqd.task.settle import Bury, Dismiss, Expire, Release, RetryAt, Settlement
from tqd.worker.retries import Retries
from tqd.worker.tally import Tally


class Counting:
    """Counts each settlement once, when it is decided; `page` is that of its task's name and queue."""

    __slots__ = ("_log", "_retries", "_tally")

    def __init__(self, tally: Tally, retries: Retries, log: Log) -> None:
        self._tally = tally
        self._retries = retries
        self._log = log

    def settled(self, decision: Settlement, page: Page) -> None:
        """Count a decision."""
        tally = self._tally
        match decision:
            case Dismiss():
                tally.dismissed(page)
                self._log.info(
                    "task was cancelled" if decision.asked else "task was discarded by its handler",
                    task=to_text(decision.task_id), reason=decision.reason,
                )  # fmt: skip
            case Expire():
                tally.ran_out(page)
            case Bury():
                tally.buried(page)
                error = decision.errors[0]
                self._log.warning(
                    "task is a dead letter", task=to_text(decision.claim.task_id), reason=decision.reason,
                    attempts=decision.attempts, error=f"{error.type}: {error.message}",
                )  # fmt: skip
            case RetryAt():
                tally.put_off(page, asked=decision.error is None)
                if decision.error is None:
                    self._retries.asked(decision.task_id, decision.counts.claims)
            case Release():
                tally.given_back(page)
