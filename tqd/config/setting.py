"""What one setting is: the row type of the table in `table`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tqd.task.queue_limit import QueueLimit, QueueWeight

NAME = r"[A-Za-z0-9_.-]{1,64}"
NAME_RULE = "1 to 64 of the characters A-Z a-z 0-9 _ . -"


class Kind(StrEnum):
    """What a value is; the word is the one that messages use."""

    TEXT = "text"
    URL = "a Redis URL"
    INTEGER = "a whole number"
    NUMBER = "a number"
    SWITCH = "true or false"
    NAMES = "a list of names"
    LIMITS = "a table of limits by queue"
    WEIGHTS = "a table of numbers by queue"


class Reload(StrEnum):
    """What it takes for a changed value to count.

    live: the running daemon takes it over. workers: new worker processes replace the old ones.
    restart: the daemon has to be stopped and started.
    """

    LIVE = "live"
    WORKERS = "workers"
    RESTART = "restart"


Value = str | int | float | bool | tuple[str, ...] | tuple[QueueLimit, ...] | tuple[QueueWeight, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of the table.

    `default` is None only where the machine decides (`workers.initial_count`). `low` and `high`
    bound a number, or the count of names; with `above_low` the lower bound itself is not allowed.
    `pattern` and `pattern_rule` hold for a text, or for each name of a list. `environment` and
    `flags` are further names for it, the first found wins; `variable` always comes before them.
    """

    key: str
    kind: Kind
    default: Value | None
    reload: Reload
    effect: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    above_low: bool = False
    pattern: str = ""
    pattern_rule: str = ""
    choices: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        """Return the name of the section: `redis` of `redis.url`."""
        return self.key.partition(".")[0]

    @property
    def name(self) -> str:
        """Return the name inside the section: `url` of `redis.url`."""
        return self.key.partition(".")[2]

    @property
    def field(self) -> str:
        """Return the field of the section: `url`, and `min_success_rate` of `autoscaler.target_sla`."""
        return self.key.rpartition(".")[2]

    @property
    def variable(self) -> str:
        """Return the environment variable that every setting has: `TQD_REDIS__URL`."""
        return f"TQD_{self.key.replace('.', '__')}".upper()

    @property
    def allowed(self) -> str:
        """Return the rule in words, without the type: `0 to 1024`, `one of json, pretty`."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.low is not None and self.high is not None:
            start = f"above {self.low:g}, at most" if self.above_low else f"{self.low:g} to"
            bounds = f"{start} {_plain(self.high)}"
            return f"{bounds} names, each {self.pattern_rule}" if self.kind is Kind.NAMES else bounds
        return self.pattern_rule

    @property
    def rule(self) -> str:
        """Return the whole rule in words: `a whole number, 0 to 1024 (processes)`."""
        own_words = self.choices or (self.kind is Kind.TEXT and self.allowed)
        kind = "" if own_words else self.kind.value
        unit = f" ({self.unit})" if self.unit else ""
        return ", ".join(part for part in (kind, self.allowed) if part) + unit


def _plain(bound: float) -> str:
    return f"{bound:,.0f}" if bound >= 10_000 else f"{bound:g}"
