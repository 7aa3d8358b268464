"""Queues as lines for a person and as values for JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tqd.cli.figures import age, count
from tqd.cli.lines import Column, Line, Piece, Tone, printable, table
from tqd.cli.view_dead import field
from tqd.store.queues import Purged, QueueView
from tqd.task.queue_limit import QueueLimit

NONE = "-"
_HEADS = (
    Column("queue", right=False),
    Column("state", right=False, rank=1),
    Column("ready"),
    Column("scheduled"),
    Column("claimed"),
    Column("oldest", rank=2),
    Column("depth", rank=5),
    Column("at once", rank=4),
    Column("rate", rank=3),
)


def facts(view: QueueView) -> dict[str, Any]:
    """Return a queue for JSON; null is what is not known, or not limited."""
    limit = view.limit or QueueLimit(queue=view.name)
    return {
        "name": view.name,
        "paused": view.paused,
        "ready": view.ready,
        "held_by_keys": view.held_by_keys,
        "scheduled": view.scheduled,
        "claimed": view.claimed,
        "oldest_s": None if view.oldest_ms is None else view.oldest_ms / 1000,
        "max_depth": limit.max_depth or None,
        "concurrency": limit.concurrency or None,
        "rate_per_s": limit.rate_per_s or None,
        "burst": limit.bucket if limit.rate_per_s else None,
        "key_concurrency": limit.key_concurrency or None,
        "key_rate_per_s": limit.key_rate_per_s or None,
        "key_burst": limit.key_bucket if limit.key_rate_per_s else None,
        "limited_by": view.publisher or None,
    }


def table_of(found: Sequence[QueueView], width: int | None) -> list[Line]:
    """Return the queues as a table."""
    return table(_HEADS, [_row(view) for view in found], width)


def lines_of(view: QueueView, *, served: bool) -> list[Line]:
    """Return all about one queue; `served`: the configuration that was read names it."""
    out: list[Line] = [[("queue ", Tone.PLAIN), (printable(view.name), Tone.STRONG)]]
    out += field("state", "paused: tqd queue resume lets it go on" if view.paused else "open", _tone(view))
    out += field("ready", count(view.ready) + (f", the oldest for {_oldest(view)}" if view.oldest_ms else ""))
    held = f"{count(view.held_by_keys)} of them, by the limits of their keys"
    out += field("held back", held if view.held_by_keys else "", Tone.NOTE)
    out += field("scheduled", count(view.scheduled))
    out += field("claimed", count(view.claimed))
    out += _limits(view)
    if not served:
        out += field("served", "not by the configuration that was read here", Tone.NOTE)
    return out


def paused_text(name: str, *, paused: bool, changed: bool) -> str:
    """Return what a pause, or its end, did."""
    if paused:
        return (
            f"queue {name} is paused: no worker claims of it any more"
            if changed
            else f"{name} was paused already"
        )
    return f"queue {name} goes on" if changed else f"{name} was not paused; a worker was woken for it"


def purged_text(purged: Purged, name: str) -> str:
    """Return what a purge did, or would do."""
    verb = "would be removed" if purged.dry_run else "were removed"
    return f"{count(purged.ready)} ready and {count(purged.scheduled)} scheduled tasks of queue {name} {verb}"


def _row(view: QueueView) -> list[Piece]:
    limit = view.limit or QueueLimit(queue=view.name)
    full = bool(limit.max_depth) and (view.ready or 0) + (view.scheduled or 0) >= limit.max_depth
    return [
        (printable(view.name), Tone.STRONG),
        ("paused" if view.paused else "open", _tone(view)),
        (count(view.ready), Tone.PLAIN),
        (count(view.scheduled), Tone.PLAIN),
        (count(view.claimed), Tone.PLAIN),
        (_oldest(view), Tone.PLAIN),
        (count(limit.max_depth) if limit.max_depth else NONE, Tone.NOTE if full else Tone.PLAIN),
        (count(limit.concurrency) if limit.concurrency else NONE, Tone.PLAIN),
        (f"{limit.rate_per_s:g}/s" if limit.rate_per_s else NONE, Tone.PLAIN),
    ]


def _limits(view: QueueView) -> list[Line]:
    limit = view.limit
    if limit is None:
        return []
    out = field("max depth", count(limit.max_depth) if limit.max_depth else "")
    out += field("at once", count(limit.concurrency) if limit.concurrency else "")
    out += field("rate", _rate(limit.rate_per_s, limit.bucket))
    out += field(
        "of each key",
        ", ".join(
            filter(
                None,
                (
                    f"{count(limit.key_concurrency)} at once" if limit.key_concurrency else "",
                    _rate(limit.key_rate_per_s, limit.key_bucket),
                ),
            )
        ),
    )
    return out + field("limits of", view.publisher)


def _rate(rate_per_s: float, burst: int) -> str:
    return f"{rate_per_s:g}/s, {count(burst)} at once after a pause" if rate_per_s else ""


def _oldest(view: QueueView) -> str:
    return NONE if view.oldest_ms is None else age(view.oldest_ms / 1000)


def _tone(view: QueueView) -> Tone:
    return Tone.NOTE if view.paused else Tone.PLAIN
