"""`tq.scaling`: what the autoscalers of the daemons of a namespace have decided, and why."""

from __future__ import annotations

from typing import Any

from tqd.client.conversation import Conversations
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
        """Return the last decisions (1 to 1000) of each living daemon, by its name, the newest last.

        Those are kept that changed or refused something, or gave a new reason for keeping still. ValueError
        for another count.
        """
        return self._conversations.lead(talks.decisions(self._keys, _checked(count)))

    async def adecisions(self, count: int = 20) -> Decisions:
        """Return the last decisions; as `decisions`."""
        return await self._conversations.alead(talks.decisions(self._keys, _checked(count)))

    def get_scaling_recommendations(self) -> str:
        """Return the last decision of each living daemon in a sentence, one line each; empty without any."""
        return _sentences(self.decisions(1))

    async def aget_scaling_recommendations(self) -> str:
        """Return the last decisions in words; as `get_scaling_recommendations`."""
        return _sentences(await self.adecisions(1))


def _sentences(decisions: Decisions) -> str:
    return "\n".join(f"{name}: {rows[-1].get('sentence', '')}" for name, rows in decisions.items() if rows)


def _checked(count: int) -> int:
    if isinstance(count, bool) or count not in range(1, talks.MOST_DECISIONS + 1):
        raise ValueError(f"{count!r} decisions are not to be had: it is 1 to {talks.MOST_DECISIONS}")
    return count
