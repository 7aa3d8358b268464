"""When a failed task is tried again: exponential, jittered, bounded."""

from __future__ import annotations

JITTER = 0.25
"""The share of a delay that is left to chance, so that a burst of failures does not return as one."""

_MAX_DOUBLINGS = 60


LEAST_STRETCHED_S = 1.0
"""A delay that is stretched counts as no less: ten times nothing would be nothing."""


def retry_delay_s(failures: int, base_s: float, max_s: float, chance: float, stretch: float = 1.0) -> float:
    """Return the delay before the next attempt, in seconds.

    `min(max_s, base_s · 2ⁿ)` with n = failures so far, of which up to a quarter is taken off by
    `chance` (in [0, 1)); so it never exceeds `max_s` and is never under three quarters. `stretch`
    above 1 (see `budget`) makes it so many times longer, also beyond `max_s`.
    """
    full = min(max_s, base_s * 2.0 ** min(failures, _MAX_DOUBLINGS))
    if stretch > 1.0:
        full = max(full, LEAST_STRETCHED_S) * stretch
    return full * (1.0 - JITTER * chance)
