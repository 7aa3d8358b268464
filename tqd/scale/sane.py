"""Takes out of a sample what cannot be a reading: NaN, the infinite, the negative. Pure.

What was taken out is not known from then on, and the decision names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

from tqd.scale.sample import QueueReading, Sample, Window

Record = TypeVar("Record", Sample, Window, QueueReading)

_OTHERS = {"held", "slowed", "suspended", "name", "queues", "window", "runs", "pss_bytes", "reloading"}


_NUMBERS = {
    kind: tuple(name for name in kind._fields if name not in _OTHERS)
    for kind in (Sample, Window, QueueReading)
}
_GETTERS = {kind: attrgetter(*names) for kind, names in _NUMBERS.items()}
_SAMPLE, _WINDOW, _QUEUE = _GETTERS.values()
_NEGATIVE = {"headroom_bytes"}
"""What may be below nothing: the rest of a limit that was lowered under what is in use."""

_NEVER_NONE: dict[str, float] = {
    "workers": 0,
    "slots": 0,
    "starting": 0,
    "draining": 0,
    "suspects": 0,
    "keyed": 0,
    "weight": 0.0,
}
_LARGEST = 1e15


def sane(sample: Sample) -> tuple[Sample, tuple[str, ...]]:
    """Return the sample without what cannot be a reading, and the names of what was taken out."""
    if _plausible(sample):
        return sample, ()
    return _clean(sample), tuple(_wrong(sample))


def _plausible(sample: Sample) -> bool:
    """Tell at little cost whether nothing has to be looked at more closely."""
    values = [*_SAMPLE(sample), *_WINDOW(sample.window), *sample.pss_bytes]
    for queue in sample.queues:
        values += _QUEUE(queue)
    values += chain.from_iterable(sample.window.runs.values())
    # Neither what is not known nor a zero has to be looked at.
    known: list[float] = list(filter(None, values))
    # NaN may hide from min and max, but not from the sum.
    return not known or (min(known) > 0 and max(known) <= _LARGEST and sum(known) > 0)


def _clean(sample: Sample) -> Sample:
    window = _without(sample.window)
    runs = {name: run for name, run in window.runs.items() if _fits(run.attempts) and _fits(run.total_s)}
    return _without(sample)._replace(
        queues=tuple(_without(queue) for queue in sample.queues),
        window=window._replace(runs=runs),
        pss_bytes=tuple(pss for pss in sample.pss_bytes if _fits(pss)),
    )


def _wrong(sample: Sample) -> Iterator[str]:
    yield from _unfit(sample)
    yield from (f"window.{name}" for name in _unfit(sample.window))
    for queue in sample.queues:
        yield from (f"queues.{queue.name}.{name}" for name in _unfit(queue))
    for name, run in sample.window.runs.items():
        if not (_fits(run.attempts) and _fits(run.total_s)):
            yield f"window.runs.{name}"
    if not all(map(_fits, sample.pss_bytes)):
        yield "pss_bytes"


def _unfit(record: Sample | Window | QueueReading) -> list[str]:
    kind = type(record)
    pairs = zip(_NUMBERS[kind], _GETTERS[kind](record), strict=True)
    return [name for name, value in pairs if not _holds(name, value)]


def _holds(name: str, value: float | None) -> bool:
    return value is None or _fits(value) or (name in _NEGATIVE and _fits(-value))


def _without(record: Record) -> Record:
    """Return the record with None in place of what is unfit, or with nothing where None is not allowed."""
    lacking: dict[str, Any] = {name: _NEVER_NONE.get(name) for name in _unfit(record)}
    return record._replace(**lacking)


def _fits(value: float) -> bool:
    return 0 <= value <= _LARGEST  # NaN is neither
