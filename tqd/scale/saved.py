"""The state as plain values, to be kept outside the process, and back. Pure.

Moments are written as "so many seconds ago": a monotonic clock means nothing to another process. What
cannot be read, or is of another version, is not repaired: the autoscaler starts fresh and says why. It
then has to learn again, and nothing worse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tqd.scale.adapt import LEAST_GAIN, MOST_LESSONS, Learned, Lesson
from tqd.scale.hysteresis import MOST_HELD_S, MOST_REGRETS, Changes
from tqd.scale.manual import HOLD_S, MOST_WORKERS, Order
from tqd.scale.records import (
    MINUTE_S,
    MOST_ENTRIES,
    MOST_NAMES,
    PEAK_S,
    Compared,
    Finished,
    Mean,
    Means,
    Records,
)
from tqd.scale.state import State
from tqd.scale.thresholds import LEAST_FACTOR, MOST_FACTOR

VERSION = 1

T = TypeVar("T")

_LARGEST = 1e15


class _Unreadable(ValueError):
    """Raised for a value that no state has; the message says which."""


def dump(state: State, now: float) -> dict[str, Any]:
    """Return the state as values that JSON and msgpack have."""

    def ago(at: float | None) -> float | None:
        return None if at is None else now - at

    records, changes, learned = state.records, state.changes, state.learned
    return {
        "version": VERSION,
        "means": {name: [mean_s, weight, now - at] for name, (mean_s, weight, at) in records.means.items()},
        "run": None
        if records.run is None
        else [records.run.mean_s, records.run.weight, now - records.run.at],
        "arrivals_per_s": records.arrivals_per_s,
        "usual_per_s": records.usual_per_s,
        "busy_slots": records.busy_slots,
        "finished": [[now - entry.at, entry.finished, entry.failed] for entry in records.finished],
        "compared": [[now - entry.at, *entry[1:]] for entry in records.compared],
        "peak_pss_bytes": records.peak_pss_bytes,
        "streak": changes.streak,
        "grown_ago": ago(changes.grown_at),
        "shrunk_ago": ago(changes.shrunk_at),
        "changed_ago": ago(changes.changed_at),
        "regret_ago": ago(changes.regret_until),
        "regrets": [now - at for at in changes.regrets],
        "factor": learned.factor,
        "gain": learned.gain,
        "direction": learned.direction,
        "frozen": learned.frozen,
        "window_ago": ago(learned.since),
        "evidence_s": [
            learned.evidence_s,
            learned.missed_s,
            learned.miss_s,
            learned.wasted_s,
            learned.late_s,
        ],
        "miss": learned.miss,
        "futile": learned.futile,
        "history": [[now - lesson.at, *lesson[1:]] for lesson in learned.history],
        "order": _order_out(state.order, now),
        "turns": state.turns,
        "cramped": state.cramped,
        "advised": state.advised,
    }


def load(plain: object, now: float, away_s: float = 0.0) -> tuple[State, str]:
    """Return the state that `dump` made plain, and why it is a fresh one instead, if it is.

    `away_s` is how long ago it was dumped: that time has passed for its cooldowns, too.
    """
    if not isinstance(plain, Mapping):
        return State(), "the saved state is no table"
    if plain.get("version") != VERSION:
        return State(), f"the saved state is of version {str(plain.get('version'))[:20]}, not {VERSION}"
    try:
        return _aged(_state(_Reader(plain, now - max(0.0, away_s))), max(0.0, away_s)), ""
    except _Unreadable as error:
        return State(), f"the saved state cannot be read: {error}"


def _aged(state: State, away_s: float) -> State:
    """Return the state after so long a time without samples: what was a matter of moments is not known."""
    records = state.records._replace(peak_pss_bytes=state.records.peak_pss_bytes * math.exp(-away_s / PEAK_S))
    if away_s < MINUTE_S:
        return state._replace(records=records)
    records = records._replace(arrivals_per_s=None, usual_per_s=None, busy_slots=None)
    return state._replace(records=records, changes=state.changes._replace(streak=0), turns=0, cramped=0)


def _state(reader: _Reader) -> State:
    evidence_s = reader.row("evidence_s", 5)
    return State(
        records=Records(
            at=None,
            means=reader.means(),
            run=reader.run(),
            arrivals_per_s=reader.maybe("arrivals_per_s"),
            usual_per_s=reader.maybe("usual_per_s"),
            busy_slots=reader.maybe("busy_slots"),
            finished=reader.finished(),
            compared=reader.compared(),
            peak_pss_bytes=reader.number("peak_pss_bytes"),
        ),
        changes=Changes(
            streak=reader.whole("streak", -1_000_000),
            grown_at=reader.moment("grown_ago"),
            shrunk_at=reader.moment("shrunk_ago"),
            changed_at=reader.moment("changed_ago"),
            regret_until=reader.moment("regret_ago", -MOST_HELD_S),
            regrets=reader.regrets(),
        ),
        learned=Learned(
            factor=reader.number("factor", LEAST_FACTOR, MOST_FACTOR),
            gain=reader.number("gain", LEAST_GAIN, 1.0),
            direction=reader.whole("direction", -1, 1),
            frozen=reader.switch("frozen"),
            since=reader.moment("window_ago"),
            evidence_s=evidence_s[0],
            missed_s=evidence_s[1],
            miss_s=evidence_s[2],
            wasted_s=evidence_s[3],
            late_s=evidence_s[4],
            miss=reader.number("miss"),
            futile=reader.whole("futile"),
            history=reader.history(),
        ),
        order=reader.order(),
        turns=reader.whole("turns"),
        cramped=reader.whole("cramped"),
        advised=reader.switch("advised"),
    )


def _order_out(order: Order | None, now: float) -> list[Any] | None:
    return None if order is None else [order.workers, order.floor, now - order.until]


class _Reader:
    """Reads the fields of one plain state, each with its rule; `then` is when it was dumped."""

    def __init__(self, plain: Mapping[str, Any], then: float) -> None:
        self._plain = plain
        self._then = then

    def number(self, name: str, low: float = 0.0, high: float = _LARGEST) -> float:
        return _number(self._plain.get(name), name, low, high)

    def maybe(self, name: str) -> float | None:
        return None if self._plain.get(name) is None else self.number(name)

    def whole(self, name: str, low: int = 0, high: int = 1_000_000) -> int:
        return int(self.number(name, low, high))

    def switch(self, name: str) -> bool:
        value = self._plain.get(name)
        if not isinstance(value, bool):
            raise _Unreadable(f"{name} is not true or false")
        return value

    def moment(self, name: str, earliest: float = 0.0) -> float | None:
        """Return a moment on this process's clock; `earliest` is how many seconds ago it is at least."""
        value = self._plain.get(name)
        return None if value is None else self._then - _number(value, name, earliest, _LARGEST)

    def regrets(self) -> tuple[float, ...]:
        rows = self._plain.get("regrets")
        if not isinstance(rows, list | tuple) or len(rows) > MOST_REGRETS:
            raise _Unreadable(f"regrets is no list of at most {MOST_REGRETS}")
        return tuple(self._then - _number(ago, "regrets", 0.0, _LARGEST) for ago in rows)

    def row(self, name: str, length: int) -> list[float]:
        return _row(self._plain.get(name), name, length)

    def means(self) -> Means:
        table = self._plain.get("means")
        if not isinstance(table, Mapping) or len(table) > MOST_NAMES:
            raise _Unreadable(f"means is no table of at most {MOST_NAMES}")
        return {str(name): self._mean(row, "means") for name, row in table.items()}

    def run(self) -> Mean | None:
        row = self._plain.get("run")
        return None if row is None else self._mean(row, "run")

    def finished(self) -> tuple[Finished, ...]:
        return self._rows("finished", MOST_ENTRIES, 3, self._entry)

    def compared(self) -> tuple[Compared, ...]:
        return self._rows("compared", MOST_ENTRIES, 4, self._comparison)

    def history(self) -> tuple[Lesson, ...]:
        return self._rows("history", MOST_LESSONS, 5, lambda row: Lesson(self._then - row[0], *row[1:]))

    def order(self) -> Order | None:
        value = self._plain.get("order")
        if value is None:
            return None
        workers, floor, ago = value if isinstance(value, list | tuple) and len(value) == 3 else (None,) * 3
        if not isinstance(floor, bool):
            raise _Unreadable("order is no order")
        number = int(_number(workers, "order", 0, MOST_WORKERS))
        until = self._then - _number(ago, "order", -HOLD_S, _LARGEST)
        return Order(workers=number, floor=floor, until=until)

    def _mean(self, row: object, name: str) -> Mean:
        mean_s, weight, ago = _row(row, name, 3)
        return Mean(mean_s, weight, self._then - ago)

    def _entry(self, row: list[float]) -> Finished:
        return Finished(self._then - row[0], int(row[1]), int(row[2]))

    def _comparison(self, row: list[float]) -> Compared:
        return Compared(self._then - row[0], int(row[1]), row[2], row[3])

    def _rows(self, name: str, most: int, length: int, made: Callable[[list[float]], T]) -> tuple[T, ...]:
        rows = self._plain.get(name)
        if not isinstance(rows, list | tuple) or len(rows) > most:
            raise _Unreadable(f"{name} is no list of at most {most}")
        return tuple(made(_row(row, name, length)) for row in rows)


def _row(value: object, name: str, length: int) -> list[float]:
    if not isinstance(value, list | tuple) or len(value) != length:
        raise _Unreadable(f"{name} does not have {length} numbers in a row")
    return [_number(item, name, 0.0, _LARGEST) for item in value]


def _number(value: object, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Unreadable(f"{name} is not a number")
    if not low <= value <= high:  # NaN is not, either
        raise _Unreadable(f"{name} is outside {low:g} to {high:g}")
    return float(value)
