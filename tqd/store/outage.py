"""For how long Redis has not answered: worked out from what was asked and what came back. Pure."""

from __future__ import annotations

PATIENCE_S = 0.5
"""An answer may take so long before its lack is told."""


class Outage:
    """Counts the questions that are open; all times are monotonic s.

    Any answer shows that Redis is there. A question that failed leaves it silent until the next answer.
    """

    __slots__ = ("_failed", "_open", "_since")

    def __init__(self) -> None:
        self._open = 0
        self._failed = False
        self._since = 0.0

    def asked(self, now: float) -> None:
        """Note a question."""
        if not self._open and not self._failed:
            self._since = now
        self._open += 1

    def answered(self, now: float) -> None:
        """Note an answer, be it a refusal."""
        self._open -= 1
        self._failed = False
        self._since = now

    def failed(self) -> None:
        """Note that no answer to a question will come."""
        self._open -= 1
        self._failed = True

    def down_s(self, now: float) -> float:
        """Return for how long there has been no answer, in s; 0.0 while Redis answers."""
        silent_s = now - self._since if self._open or self._failed else 0.0
        return silent_s if silent_s > PATIENCE_S else 0.0
