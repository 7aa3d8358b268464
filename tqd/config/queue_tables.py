"""Settings that are a table by queue: limits and weights. Pure: a raw value in, checked values out.

Each problem is a ValueError whose message is the rule that is broken, with the place inside the table.
"""

from __future__ import annotations

import json
import math
import re
from difflib import get_close_matches

from tqd.task.queue_limit import MOST_RUNNING, QueueLimit, QueueWeight

MOST_DEPTH = 1_000_000_000
MOST_RATE_PER_S = 1_000_000.0
MOST_BURST = 1_000_000
LEAST_WEIGHT, MOST_WEIGHT = 0.001, 1000.0
MOST_QUEUES = 64

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)/(s|m|h)")
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
_COUNTED = {
    "max_depth": f"a whole number, 0 to {MOST_DEPTH:,} (tasks; 0: no limit)",
    "concurrency": f"a whole number, 0 to {MOST_RUNNING:,} (tasks at once; 0: no limit)",
    "rate": 'like "10/s", "600/m" or "1000/h", or a number per second; 0: no limit',
    "burst": f"a whole number, 0 to {MOST_BURST:,} (tasks; 0: a tenth of a second's worth), with a rate",
}
_RULES = _COUNTED | {f"key_{name}": rule for name, rule in _COUNTED.items() if name != "max_depth"}
_HIGHEST = {
    "max_depth": MOST_DEPTH,
    "concurrency": MOST_RUNNING,
    "burst": MOST_BURST,
    "key_concurrency": MOST_RUNNING,
    "key_burst": MOST_BURST,
}


def table_of(text: str) -> object:
    """Return the table that a text stands for: JSON, in an environment variable."""
    try:
        table: object = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('must be a table as JSON, like {"mail": …}') from None
    return table


def limits(raw: object) -> tuple[QueueLimit, ...]:
    """Return the limits by queue."""
    return tuple(_limit(queue, rules) for queue, rules in sorted(_by_queue(raw).items()))


def weights(raw: object) -> tuple[QueueWeight, ...]:
    """Return the weights by queue, in the order in which they were written."""
    return tuple(_weight(queue, weight) for queue, weight in _by_queue(raw).items())


def _by_queue(raw: object) -> dict[str, object]:
    if not isinstance(raw, dict):
        raise ValueError("must be a table by queue")
    for queue in raw:
        if not isinstance(queue, str) or not _NAME.fullmatch(queue):
            name = repr(str(queue)[:80])
            raise ValueError(f"must name queues: {name} is none; 1 to 64 of A-Z a-z 0-9 _ . - are")
    if len(raw) > MOST_QUEUES:
        raise ValueError(f"must name at most {MOST_QUEUES} queues: it names {len(raw)}")
    return raw


def _weight(queue: str, weight: object) -> QueueWeight:
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not number or not LEAST_WEIGHT <= weight <= MOST_WEIGHT:  # type: ignore[operator]
        raise ValueError(f"{queue} must be a number, {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}")
    return QueueWeight(queue=queue, weight=float(weight))  # type: ignore[arg-type]


def _limit(queue: str, rules: object) -> QueueLimit:
    if not isinstance(rules, dict):
        raise ValueError(f"{queue} must be a table of {', '.join(_RULES)}")
    for name in rules:
        if name not in _RULES:
            near = get_close_matches(str(name)[:100], _RULES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_RULES)}"
            raise ValueError(f"{queue}.{str(name)[:80]} is no limit; {hint}")
    counts = {name: _count(queue, name, rules.get(name, 0)) for name in _HIGHEST}
    rates = {f"{name}_per_s": _rate(queue, name, rules.get(name, 0)) for name in ("rate", "key_rate")}
    for kind in ("", "key_"):
        if counts[f"{kind}burst"] and not rates[f"{kind}rate_per_s"]:
            raise ValueError(f"{queue}.{kind}burst must be {_RULES['burst']}")
    return QueueLimit(queue=queue, **rates, **counts)  # type: ignore[arg-type]


def _count(queue: str, name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _HIGHEST[name]:
        return value
    raise ValueError(f"{queue}.{name} must be {_RULES[name]}")


def _rate(queue: str, name: str, value: object) -> float:
    rate = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        rate = float(value) if abs(value) <= MOST_RATE_PER_S else math.nan
    elif isinstance(value, str) and (found := _RATE.fullmatch(value.strip())):
        rate = float(found[1]) / _UNITS_S[found[2]]
    # Redis has six decimals of it: once in eleven days is the least.
    if rate == 0.0 or 0.000001 <= rate <= MOST_RATE_PER_S:
        return rate
    raise ValueError(f"{queue}.{name} must be {_RULES['rate']}")
