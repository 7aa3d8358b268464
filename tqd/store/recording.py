"""A recording of what runs in a namespace, as conversations: begin or go on, fetch, end. No I/O of its own.

Whoever records keeps a key alive; workers look for it every ten seconds and hand over what has ended, in
batches, which the recorder takes out of a list. One records at a time. Left alone, all of it expires.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from tqd.store.keys import Keys
from tqd.store.talk import Talk

ALIVE_S = 15
MOST_BATCHES = 1000
FETCH = 100

Batch = tuple[int, list[list[Any]]]
"""How many rows were left out, and the others."""


class Held(StrEnum):
    """Whose recording it is: ours all the while, ours anew since there was none, or another's."""

    OURS = "ours"
    ANEW = "anew"
    ANOTHERS = "another's"


def begin(keys: Keys, who: str) -> Talk[bool]:
    """Begin to record; False when somebody else does."""
    (set_,) = yield [("SET", keys.tracing, who, "EX", ALIVE_S, "NX")]
    if set_:
        yield [("DEL", keys.trace)]
    return bool(set_)


def fetch(keys: Keys, who: str) -> Talk[tuple[Held, list[Batch]]]:
    """Go on recording, or begin anew; returns which, and what was handed over since the last call.

    Nothing is fetched of what is another's.
    """
    batches: list[Batch] = []
    (owner,) = yield [("GET", keys.tracing)]
    held = Held.OURS
    if owner is None:
        held = Held.ANEW
        _, owner = yield [("SET", keys.tracing, who, "EX", ALIVE_S, "NX"), ("GET", keys.tracing)]
    if owner != who.encode():
        return Held.ANOTHERS, batches
    while True:
        popped, _ = yield [("LPOP", keys.trace, FETCH), ("EXPIRE", keys.tracing, ALIVE_S)]
        batches += [batch for data in popped or () if (batch := _read(data)) is not None]
        if not popped or len(popped) < FETCH:
            return held, batches


def end(keys: Keys, who: str) -> Talk[None]:
    """End it, unless it is another's by now: the workers learn of it within a second."""
    (owner,) = yield [("GET", keys.tracing)]
    if owner == who.encode():
        yield [("DEL", keys.tracing, keys.trace)]


def _read(data: bytes) -> Batch | None:
    try:
        left_out, rows = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return None  # nobody of ours wrote this
    return (left_out, rows) if isinstance(left_out, int) and isinstance(rows, list) else None
