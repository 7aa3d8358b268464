"""The budgets: what each figure must reach, read from `budgets.toml`, and the verdict on a figure. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from perf.figure import Figure

FILE = Path(__file__).with_name("budgets.toml")


class Direction(Enum):
    """Which side of the bound is good."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


class Verdict(Enum):
    """What a figure is worth: CLOSE misses within the tolerance, EXCUSED for the stated reason."""

    OK = "ok"
    CLOSE = "close"
    EXCUSED = "excused"
    MISS = "miss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """A note of the figure that explains a miss when it reaches `value`; `says` is the explanation."""

    note: str
    value: float
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one figure must reach; the fields are explained in `budgets.toml`."""

    name: str
    what: str
    bound: float
    unit: str
    direction: Direction
    tolerance: float
    reason: str
    excuse: Excuse | None

    def judge(self, figure: Figure) -> Verdict:
        """Return the verdict on a figure of this name."""
        if self._holds(figure.value, self.bound):
            return Verdict.OK
        excuse = self.excuse
        if excuse is not None and figure.notes.get(excuse.note, 0.0) >= excuse.value:
            return Verdict.EXCUSED
        slack = self.bound * self.tolerance
        near = self.bound - slack if self.direction is Direction.AT_LEAST else self.bound + slack
        return Verdict.CLOSE if self._holds(figure.value, near) else Verdict.MISS

    def _holds(self, value: float, bound: float) -> bool:
        return value >= bound if self.direction is Direction.AT_LEAST else value <= bound


def load(text: str) -> dict[str, Budget]:
    """Return the budgets by name; KeyError, TypeError or ValueError for a file that is none."""
    return {name: _budget(name, table) for name, table in tomllib.loads(text).items()}


def _budget(name: str, table: Mapping[str, Any]) -> Budget:
    fields = dict(table)
    excuse = fields.pop("excuse", None)
    direction = Direction(fields.pop("direction"))
    return Budget(name=name, direction=direction, excuse=Excuse(**excuse) if excuse else None, **fields)
