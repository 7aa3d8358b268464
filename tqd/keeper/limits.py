"""The keeper's duty to tell Redis the limits of queues that are configured here.

Producers and workers everywhere are bound by what Redis says, so nobody else needs this configuration.
"""

from __future__ import annotations

from collections.abc import Sequence

from tqd.errors import StoreMismatch
from tqd.log import Log
from tqd.store.node_store import NodeStore
from tqd.task.queue_limit import QueueLimit, read_limit


class Limits:
    """Publishes the limits of one daemon; `publisher` is its name, the same in every run."""

    def __init__(self, store: NodeStore, publisher: str, limits: Sequence[QueueLimit], log: Log) -> None:
        self._store = store
        self._publisher = publisher
        self._limits = limits
        self._log = log
        self._published = False

    async def publish(self) -> None:
        """Publish: the first time also over another daemon's limits, later what Redis has forgotten."""
        first = not self._published
        try:
            others = await self._store.limit(self._publisher, self._limits, take_over=first)
        except StoreMismatch as error:
            self._log.error("limits of queues cannot be published", error=str(error))
            return
        self._published = True
        if first:
            self._tell(others)

    def _tell(self, others: Sequence[tuple[str, bytes]]) -> None:
        for queue, record in others:
            known = read_limit(queue, record)
            said, who = (str(known[0]), known[1]) if known else (f"{queue}: what cannot be read", "")
            self._log.warning("a limit of another daemon was replaced", limit=said, daemon=who)
        if self._limits:
            self._log.info("limits are published", limits="; ".join(map(str, self._limits)))
