"""`tq.dead`: the dead letters of a queue's namespace, to look at, to replay and to remove."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from tqd.client.conversation import Conversations
from tqd.client.options import Duration
from tqd.store import dead_letters as talks
from tqd.store.dead_letters import Chosen, Swept
from tqd.store.keys import Keys
from tqd.task.identity import from_text
from tqd.task.model import seconds
from tqd.task.pace import Pace
from tqd.wire.dead_letter import DeadFilter, DeadLetter

Ids = str | Iterable[str]


class DeadLetters:
    """Comes as `tq.dead`. Each method blocks; its twin with an `a` in front is awaited.

    Letters are chosen by `name` (of the task; * and ? stand for anything), `queue`, `error` (the
    exception's type, with its module or without), `older_than` and `newer_than` (seconds or a timedelta
    since the death); several together must all fit.
    """

    def __init__(self, conversations: Conversations, keys: Keys) -> None:
        self._conversations = conversations
        self._keys = keys

    def count(self) -> int:
        """Return how many dead letters there are."""
        return self._conversations.lead(talks.total(self._keys))

    async def acount(self) -> int:
        """Return how many dead letters there are."""
        return await self._conversations.alead(talks.total(self._keys))

    def list(
        self,
        *,
        name: str = "",
        queue: str = "",
        error: str = "",
        older_than: Duration | None = None,
        newer_than: Duration | None = None,
        limit: int = 100,
    ) -> list[DeadLetter]:
        """Return up to `limit` letters, the newest first; of a filter, 10,000 are looked through."""
        which = _filter(name, queue, error, older_than, newer_than)
        return self._conversations.lead(talks.find(self._keys, which, limit)).letters

    async def alist(
        self,
        *,
        name: str = "",
        queue: str = "",
        error: str = "",
        older_than: Duration | None = None,
        newer_than: Duration | None = None,
        limit: int = 100,
    ) -> Sequence[DeadLetter]:
        """Return up to `limit` letters; as `list`."""
        which = _filter(name, queue, error, older_than, newer_than)
        return (await self._conversations.alead(talks.find(self._keys, which, limit))).letters

    def get(self, task_id: str) -> DeadLetter | None:
        """Return the letter of a task, None when it is no dead letter; ValueError: that is no id."""
        return self._conversations.lead(talks.get(self._keys, from_text(task_id)))

    async def aget(self, task_id: str) -> DeadLetter | None:
        """Return the letter of a task; as `get`."""
        return await self._conversations.alead(talks.get(self._keys, from_text(task_id)))

    def replay(
        self,
        ids: Ids | None = None,
        *,
        name: str = "",
        queue: str = "",
        error: str = "",
        older_than: Duration | None = None,
        newer_than: Duration | None = None,
        everything: bool = False,
        rate: float | None = None,
        limit: int | None = None,
        dry_run: bool = False,
    ) -> Swept:
        """Put tasks back to the tail of their queues, the oldest first, with all their attempts.

        `ids` is one or many, else a filter, else `everything`; ValueError when nothing is said, or both.
        `rate` is in tasks per second. Each task is replayed once, also when the connection breaks on the
        way; one that dies again meanwhile stays. A waiting `result()` gets the new run's.
        """
        chosen = _chosen(ids, _filter(name, queue, error, older_than, newer_than), everything)
        return self._conversations.lead(
            talks.replay(self._keys, chosen, run_name(), Pace(rate), limit, dry_run)
        )

    async def areplay(
        self,
        ids: Ids | None = None,
        *,
        name: str = "",
        queue: str = "",
        error: str = "",
        older_than: Duration | None = None,
        newer_than: Duration | None = None,
        everything: bool = False,
        rate: float | None = None,
        limit: int | None = None,
        dry_run: bool = False,
    ) -> Swept:
        """Put tasks back to the tail of their queues; as `replay`."""
        chosen = _chosen(ids, _filter(name, queue, error, older_than, newer_than), everything)
        return await self._conversations.alead(
            talks.replay(self._keys, chosen, run_name(), Pace(rate), limit, dry_run)
        )

    def purge(
        self,
        ids: Ids | None = None,
        *,
        name: str = "",
        queue: str = "",
        error: str = "",
        older_than: Duration | None = None,
        newer_than: Duration | None = None,
        everything: bool = False,
        limit: int | None = None,
        dry_run: bool = False,
    ) -> Swept:
        """Remove letters for good, the oldest first; they are chosen as for `replay`."""
        chosen = _chosen(ids, _filter(name, queue, error, older_than, newer_than), everything)
        return self._conversations.lead(talks.purge(self._keys, chosen, limit, dry_run))

    async def apurge(
        self,
        ids: Ids | None = None,
        *,
        name: str = "",
        queue: str = "",
        error: str = "",
        older_than: Duration | None = None,
        newer_than: Duration | None = None,
        everything: bool = False,
        limit: int | None = None,
        dry_run: bool = False,
    ) -> Swept:
        """Remove letters for good; as `purge`."""
        chosen = _chosen(ids, _filter(name, queue, error, older_than, newer_than), everything)
        return await self._conversations.alead(talks.purge(self._keys, chosen, limit, dry_run))


def run_name() -> str:
    """Return a name for one replay, which no other has."""
    return os.urandom(8).hex()


def _filter(
    name: str, queue: str, error: str, older_than: Duration | None, newer_than: Duration | None
) -> DeadFilter:
    return DeadFilter(
        name=name,
        queue=queue,
        error=error,
        older_than_s=None if older_than is None else seconds(older_than),
        newer_than_s=None if newer_than is None else seconds(newer_than),
    )


def _chosen(ids: Ids | None, which: DeadFilter, everything: bool) -> Chosen:
    if sum((ids is not None, not which.is_empty, everything)) != 1:
        raise ValueError("say which dead letters are meant: ids, or a filter, or everything=True")
    if ids is None:
        return which
    return [from_text(one) for one in ([ids] if isinstance(ids, str) else ids)]
