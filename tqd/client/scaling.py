"""`tq.scaling`: what the autoscalers of the daemons of a namespace have decided, and why."""

from __future__ import annotations

from typing import Any

from tqd.client.conversation import Conversations
from tqd.scale.telling import MOST_DECISIONS
from tqd.store import scaling as talks
from tqd.store.keys import Keys

Decisions = dict[str, list[dict[str, Any]]]


class Scaling:
    """Comes as `tq.scaling`. Each method blocks; its twin with an `a` in front is awaited.

    A decision has the keys of `tqd why --json`: `at`, `from`, `to`, `rule`, `signals`, `vetoes`, `sentence`
    and others.
    """

    def __init__(self, conversations: Conversations, keys: Keys) -> None:
        self._conversations = conversations
        self._keys = keys

    def decisions(self, count: int = 20) -> Decisions:
        """Return the last decisions (1 to 1000) of each daemon with a lease, by its name, the newest last.

        Those are kept that changed or refused something, or gave a new reason for keeping still. ValueError
        for another count.
        """
        return self._conversations.lead(talks.decisions(self._keys, _checked(count)))

    async def adecisions(self, count: int = 20) -> Decisions:
        """Return the last decisions; as `decisions`."""
        return await self._conversations.alead(talks.decisions(self._keys, _checked(count)))

    def get_scaling_recommendations(self) -> str:
        """Return the very last decision of each daemon with a lease, one line each: name, time, sentence.

        The time and the sentence are those of `tqd why`. A daemon that has decided nothing for three
        intervals, or whose auto-scaling is off, has no line.
        """
        return _sentences(self._conversations.lead(talks.current(self._keys)))

    async def aget_scaling_recommendations(self) -> str:
        """Return the very last decisions in words; as `get_scaling_recommendations`."""
        return _sentences(await self._conversations.alead(talks.current(self._keys)))


def _sentences(current: dict[str, dict[str, Any]]) -> str:
    return "\n".join(
        f"{name}: {one.get('at', '')}  {one.get('sentence', '')}" for name, one in current.items()
    )


def _checked(count: int) -> int:
    if isinstance(count, bool) or count not in range(1, MOST_DECISIONS + 1):
        raise ValueError(f"{count!r} decisions are not to be had: it is 1 to {MOST_DECISIONS}")
    return count
