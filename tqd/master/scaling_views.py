"""What operators are shown of the autoscaler, as plain values. Pure."""

from __future__ import annotations

from typing import Any

from tqd.scale.settings import ScaleSettings
from tqd.scale.state import State
from tqd.scale.thresholds import shown


def picture(
    settings: ScaleSettings, state: State, last: dict[str, Any] | None, now: float
) -> dict[str, object]:
    """Return what `tqd status` shows of it; `last` is the last decision."""
    order = state.order if state.order is not None and now < state.order.until else None
    return {
        "mode": str(settings.mode),
        "min_workers": settings.min_workers,
        "max_workers": settings.max_workers,
        "ordered_workers": None if order is None else order.workers,
        "ordered_for_s": None if order is None else round(order.until - now, 1),
        "decision": last,
    }


def thresholds(settings: ScaleSettings, state: State, now: float) -> dict[str, object]:
    """Return each threshold as it was set and as it was learned, with its bounds."""
    learned = state.learned
    return {
        "mode": str(settings.mode),
        "adaptive": settings.enable_adaptive_thresholds,
        "frozen": learned.frozen,
        "factor": round(learned.factor, 4),
        "thresholds": [one._asdict() for one in shown(settings, learned.factor)],
        "history": [
            {
                "s_ago": round(now - lesson.at, 1),
                **{key: value for key, value in lesson._asdict().items() if key != "at"},
            }
            for lesson in learned.history
        ],
    }
