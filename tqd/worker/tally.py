"""What a worker counts: into its ledger, which the master reads, and in all, which the beat carries."""

from __future__ import annotations

from typing import Any

from tqd.app import Handler, Registry
from tqd.metrics.ledger import (
    ASKED,
    DISCARDED,
    EXPIRED,
    FAILED,
    LEDGER_BYTES,
    NO_HANDLER,
    RELEASED,
    RETRIED,
    TIMED_OUT,
    Ledger,
    Page,
)

LONG_S = 0.5
"""An attempt that ran for so long may have been what blocked the loop."""

_UNIQUE_FIRST = b"2:0:0:"


class Tally:
    """Totals of this process, and the pages of its ledger; `memory` is what the master reads, if it does.

    `discarded` counts tasks that their handler ended; `expired` those not begun in time; `failed` dead
    letters; `retried` attempts that have another one before them, as they failed or their handler asked;
    `superseded` settlements that came after the task had been given to somebody else. `lately` are the
    handlers of long attempts that have ended since somebody looked.
    """

    __slots__ = (
        "_done_before",
        "_firsts",
        "_ledger",
        "_pages",
        "_registry",
        "discarded",
        "expired",
        "failed",
        "last_page",
        "last_run_s",
        "lately",
        "released",
        "retried",
        "superseded",
    )  # fmt: skip

    def __init__(self, registry: Registry, memory: Any = None) -> None:
        self._registry = registry
        self._ledger = Ledger(bytearray(LEDGER_BYTES) if memory is None else memory)
        self._firsts: dict[bytes, dict[str, Page]] = {}
        self._pages: dict[str, Page] = {}
        self.last_page = self._pages.get
        self._done_before = 0
        self._done_before = self.done
        self.discarded = 0
        self.expired = 0
        self.failed = 0
        self.retried = 0
        self.released = 0
        self.superseded = 0
        self.last_run_s = 0.0
        self.lately: list[str] = []

    @property
    def done(self) -> int:
        """How many attempts ended well; counted by handler, so that it is counted once."""
        return sum(handler.done for handler in self._registry) - self._done_before

    @property
    def run_s(self) -> float:
        """The run time of all attempts that have ended, in s."""
        return self._ledger.run_s()

    def page(self, name: str, token: bytes) -> Page:
        """Return the page for a claim of a handler's name, or of `NO_HANDLER`.

        `last_page` of the name is right as well when it is for a first attempt with such a token.
        """
        # A name that is in two queues at once comes here all the time.
        pages = self._firsts.get(token)
        page = None if pages is None else pages.get(name)
        if page is None:
            page = self._ledger.page(name, token.split(b":", 3)[3].decode(errors="replace"))
            if token == page.first and name != NO_HANDLER:
                self._firsts.setdefault(token, {})[name] = page
        if token == page.first:
            self._pages[name] = page
        return page

    def settled_late(self, count: int) -> None:
        """Count settlements that came after their tasks had been given to somebody else."""
        self.superseded += count
        self._ledger.superseded(count)

    def buried(self, page: Page) -> None:
        """Count a dead letter."""
        self.failed += 1
        page.add(FAILED)

    def put_off(self, page: Page, asked: bool) -> None:
        """Count an attempt that another one follows; `asked`: it has not failed."""
        self.retried += 1
        page.add(RETRIED)
        if asked:
            page.add(ASKED)

    def dismissed(self, page: Page) -> None:
        """Count a task that was discarded by its handler, or cancelled."""
        self.discarded += 1
        page.add(DISCARDED)

    def ran_out(self, page: Page) -> None:
        """Count a task that expired."""
        self.expired += 1
        page.add(EXPIRED)

    def given_back(self, page: Page) -> None:
        """Count an attempt that was given back."""
        self.released += 1
        page.add(RELEASED)

    def timed_out(self, page: Page) -> None:
        """Count an attempt that ran out of time; it is counted as failed or retried as well."""
        page.add(TIMED_OUT)

    def took_long(self, name: str) -> None:
        """Note the handler of an attempt that has ended after `LONG_S` or more."""
        self.lately.append(name)

    def take_lately(self) -> list[str]:
        """Return the handlers of the long attempts that have ended since the last call."""
        lately, self.lately = self.lately, []
        return lately


def first_claim(token: bytes, handler: Handler) -> bool:
    """Tell whether a task is claimed for the first time, as far as its token tells.

    One with a key has a record from the start, and so a token as if it had been claimed before: that is
    believed of tasks only that are declared as unique. Of later claims nobody knows since when the task was
    ready again.
    """
    unique = handler.uniqueness.key not in (None, False)
    return token.startswith(b"1:") or (unique and token.startswith(_UNIQUE_FIRST))
