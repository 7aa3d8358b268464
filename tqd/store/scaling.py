"""Scaling decisions as conversations: what the autoscalers of a namespace have noted. No I/O of its own."""

from __future__ import annotations

import json
from typing import Any

from tqd.store.calls import Command
from tqd.store.keys import Keys, texts
from tqd.store.sampling import MOST_WORKERS
from tqd.store.talk import Talk
from tqd.task.names import parse_node


def decisions(keys: Keys, count: int) -> Talk[dict[str, list[dict[str, Any]]]]:
    """Return the last `count` decisions of each daemon with a lease, by its name, the newest last."""
    (nodes,) = yield [_nodes(keys)]
    if not (names := _names(nodes)):
        return {}
    replies = yield [("LRANGE", keys.decisions(name), -count, -1) for name in names]
    return {name: _read(rows) for name, rows in zip(names, replies, strict=True)}


def current(keys: Keys) -> Talk[dict[str, dict[str, Any]]]:
    """Return the very last decision of each daemon with a lease that has lately decided, by its name."""
    (nodes,) = yield [_nodes(keys)]
    if not (names := _names(nodes)):
        return {}
    replies = yield [("GET", keys.current(name)) for name in names]
    found = {name: _read([reply]) for name, reply in zip(names, replies, strict=True) if reply}
    return {name: rows[0] for name, rows in found.items() if rows}


def _nodes(keys: Keys) -> Command:
    return "ZRANGE", keys.nodes, 0, MOST_WORKERS


def _names(nodes: list[bytes]) -> list[str]:
    return sorted({node.name for text in texts(nodes) if (node := parse_node(text))})


def _read(rows: list[bytes]) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        try:
            decision = json.loads(row)
        except (ValueError, RecursionError):
            continue  # nobody of ours wrote this
        if isinstance(decision, dict):
            found.append(decision)
    return found
