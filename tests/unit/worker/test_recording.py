"""What ran is handed over to whoever records, and what is not is counted."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tqd.errors import StoreUnavailable
from tqd.log import Log
from tqd.worker.recording import Recording, Rows


class Store:
    """Takes what is handed over into `got`; `away` while Redis is, `wanted` while somebody records."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.away = False
        self.wanted = True

    def now_ms(self) -> int:
        return 1000

    async def record(self, rows: bytes) -> bool:
        if self.away:
            raise StoreUnavailable("redis does not answer")
        self.got.append(json.loads(rows) if rows else None)
        return self.wanted


class Executor:
    rows: Rows | None = None


class Desk:
    """A worker that records."""

    def __init__(self) -> None:
        self.store, self.executor = Store(), Executor()
        self.recording = Recording(self.store, self.executor, None, Log())  # type: ignore[arg-type]
        self.recording.wanted()

    def ran(self, *rows: list[Any]) -> None:
        assert self.executor.rows is not None
        self.executor.rows._rows += rows

    def hand_over(self) -> None:
        asyncio.run(self.recording.hand_over())


def test_rows_are_handed_over_once() -> None:
    desk = Desk()
    desk.ran([1, 2, "default", "mail"])
    desk.hand_over()
    desk.hand_over()
    assert desk.store.got == [[0, [[1, 2, "default", "mail"]]], None]


def test_rows_that_do_not_arrive_are_counted_as_left_out() -> None:
    desk = Desk()
    desk.store.away = True
    desk.ran([1, 2, "default", "mail"], [2, 2, "default", "mail"])
    desk.hand_over()
    desk.ran([3, 2, "default", "mail"])
    desk.hand_over()
    desk.store.away = False
    desk.hand_over()
    assert desk.store.got == [[3, []]]


def test_when_nobody_records_any_more_it_ends() -> None:
    desk = Desk()
    desk.store.wanted = False
    desk.hand_over()
    assert desk.executor.rows is None
