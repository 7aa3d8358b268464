"""Both kinds of connections behind one face, so that a test of what they share is written once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tqd.store.calls import Command, NewTask
from tqd.store.connection import Endpoint, Link, SyncLink
from tqd.store.keys import Keys
from tqd.store.producer import Producer, Refusals, SyncProducer

KINDS = ("async", "blocking")


class AnyLink:
    """A Link with an event loop of its own, or a SyncLink."""

    def __init__(self, kind: str, endpoint: Endpoint) -> None:
        self._runner = asyncio.Runner()
        self._link = Link(endpoint) if kind == "async" else SyncLink(endpoint)

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        if isinstance(self._link, SyncLink):
            return self._link.exchange(commands)
        return self._runner.run(self._link.exchange(commands))

    def call(self, *command: str | bytes | int | float) -> Any:
        if isinstance(self._link, SyncLink):
            return self._link.call(command)
        return self._runner.run(self._link.call(command))

    def close(self) -> None:
        if isinstance(self._link, SyncLink):
            self._link.close()
        else:
            self._runner.run(self._link.close())
            self._runner.close()


class AnyProducer:
    """A Producer with an event loop of its own, or a SyncProducer."""

    def __init__(self, kind: str, endpoint: Endpoint, keys: Keys) -> None:
        self._runner = asyncio.Runner()
        self._producer = Producer(endpoint, keys) if kind == "async" else SyncProducer(endpoint, keys)

    def store(self, *tasks: NewTask) -> Refusals:
        if isinstance(self._producer, SyncProducer):
            return self._producer.store(tasks)
        return self._runner.run(self._producer.store(tasks))

    def now_ms(self) -> int:
        if isinstance(self._producer, SyncProducer):
            return self._producer.now_ms()
        return self._runner.run(self._producer.now_ms())

    def close(self) -> None:
        if isinstance(self._producer, SyncProducer):
            self._producer.close()
        else:
            self._runner.run(self._producer.close())
            self._runner.close()
