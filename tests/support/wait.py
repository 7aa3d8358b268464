"""Waiting for a condition, with a deadline, instead of for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_S = 5.0
_STEP_S = 0.005


def until(condition: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Return the first true answer of `condition`; AssertionError says what did not come about."""
    end = time.monotonic() + deadline_s
    while not (answer := condition()):
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(_STEP_S)
    return answer


async def auntil(condition: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Return the first true answer of `condition`, with the event loop running on."""
    end = time.monotonic() + deadline_s
    while not (answer := condition()):
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        await asyncio.sleep(_STEP_S)
    return answer
