"""Tells when another living daemon has this one's name: each would overwrite what the other has learned.

A name is the daemon's over restarts, so the lease of a predecessor is to be expected, and its keeper may
renew it for some seconds after its end. One that is renewed from look to look is of a daemon that lives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tqd.log import Log
from tqd.task.names import NodeName, parse_node

LOOKS = 2
"""How often in a row a lease must have been renewed."""

EVERY = 2
"""Which calls are looks: each second one, as a look is a command of its own."""

LOOKS_IN_ALL = 6
"""A keeper looks no more after so many: of two daemons of one name the later one finds the earlier one."""


class LeaseStore(Protocol):
    """The leases of a namespace."""

    async def leases(self) -> dict[str, float]:
        """Return the end of each node's lease, in epoch ms."""


def renewed(node: NodeName, before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Return the other runs of this name whose leases end later than they did before."""
    later = [text for text, end in now.items() if end > before.get(text, end)]
    parsed = [(text, parse_node(text)) for text in later]
    return sorted(
        text for text, other in parsed if other and other.name == node.name and other.run != node.run
    )


class Namesakes:
    """`look` now and then, less often than a lease is renewed."""

    def __init__(self, store: LeaseStore, node: NodeName, log: Log) -> None:
        self._store = store
        self._node = node
        self._log = log
        self._calls = 0
        self._before: dict[str, float] = {}
        self._seen: dict[str, int] = {}

    async def look(self) -> None:
        """Warn of a daemon of this name, once of each; nothing any more after `LOOKS_IN_ALL`."""
        self._calls += 1
        if self._calls % EVERY != 1 or self._calls > EVERY * LOOKS_IN_ALL:
            return
        leases = await self._store.leases()
        found = renewed(self._node, self._before, leases)
        self._before = leases
        self._seen = {text: self._seen.get(text, 0) + 1 for text in found}
        for text in found:
            if self._seen[text] == LOOKS:
                self._log.warning(
                    "another daemon has this one's name: each overwrites what the other has learned",
                    other=text, rule="node.name is unique in a namespace",
                )  # fmt: skip
