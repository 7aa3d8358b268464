"""Which daemons share the work of a namespace, and what their autoscalers want: so that all take one step.

Each daemon that scales by itself tells how many workers it wants, which queues it serves, and when it last
changed the number. One that tells nothing counts with the workers that it has registered. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

UNKNOWN = -1

MOST_WANTED = 1_000_000
"""A larger number of workers is nobody of ours."""


class Stance(NamedTuple):
    """What one daemon wants; `grown_ms` and `changed_ms` are epoch ms of Redis's clock, 0: not yet."""

    workers: int
    grown_ms: int
    changed_ms: int
    queues: tuple[str, ...]


class Company(NamedTuple):
    """What a daemon has to know of the others; -1 is what is not known.

    `sharing`: the daemons that scale themselves and have a queue in common with this one, itself included.
    `rank`: its place among them, from 0; the one that wants the fewest workers comes first. `others`: the
    workers of all other daemons that have a queue in common with it, or may have. `grown_ms` and
    `changed_ms`: for how long none of those has grown, or changed at all.
    """

    sharing: int = UNKNOWN
    rank: int = UNKNOWN
    others: int = UNKNOWN
    grown_ms: int = UNKNOWN
    changed_ms: int = UNKNOWN


def dump(stance: Stance) -> bytes:
    """Return the text that the others read."""
    return json.dumps(stance._asdict()).encode()


def load(data: object) -> Stance | None:
    """Return what a daemon has told; None for nothing, and for what nobody of ours wrote."""
    try:
        found = json.loads(data) if isinstance(data, bytes) else {}
        workers, grown_ms, changed_ms = (int(found[name]) for name in Stance._fields[:3])
        queues = tuple(map(str, found["queues"]))
    except (TypeError, ValueError, KeyError, ArithmeticError, RecursionError):
        return None
    if not 0 <= workers <= MOST_WANTED or min(grown_ms, changed_ms) < 0:
        return None
    return Stance(workers, grown_ms, changed_ms, queues)


def company(
    own: str,
    queues: Sequence[str],
    alive: Iterable[str],
    sizes: Mapping[str, int],
    stances: Mapping[str, Stance | None],
    now_ms: int,
) -> Company:
    """Return the company of a daemon of that name among those whose leases hold.

    `sizes` are the workers that each has registered.
    """
    mine, others, wanted = set(queues), 0, {}
    grown_ms = changed_ms = 0
    for node in alive:
        stance = stances.get(node)
        if node == own:
            wanted[node] = sizes.get(node, 0) if stance is None else stance.workers
        elif stance is None:
            others += sizes.get(node, 0)
        elif mine.intersection(stance.queues):
            wanted[node] = stance.workers
            others += stance.workers
            grown_ms, changed_ms = max(grown_ms, stance.grown_ms), max(changed_ms, stance.changed_ms)
    ranked = sorted(wanted, key=lambda node: (wanted[node], node))
    return Company(
        sharing=len(ranked),
        rank=ranked.index(own) if own in ranked else UNKNOWN,
        others=others,
        grown_ms=_ago(grown_ms, now_ms),
        changed_ms=_ago(changed_ms, now_ms),
    )


def _ago(at_ms: int, now_ms: int) -> int:
    return max(0, now_ms - at_ms) if at_ms else UNKNOWN
