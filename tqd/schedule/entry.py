"""One declared schedule: what is enqueued, when, and what becomes of slots that were missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2s

MAX_NAME_CHARS = 200
MAX_ENTRIES = 1000
DEFAULT_LIMIT = 100
MOST_LIMIT = 1000


class CatchUp(StrEnum):
    """What is done about slots in which no daemon of the app was there to fire them.

    skip: nothing. once: one run for all of them. all: a run for each, up to the entry's limit.
    """

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A schedule: `spec` is a cron expression or `every 30s`, `tz` the zone of an expression.

    `args` and `kwargs` are as they travel (`Signature.encode`). `catch_up_limit` bounds `all`.
    `held` is the scope and the key of a unique task (see `UniqueKey`), `limit_key` that of its limits; both
    are empty for others.
    """

    name: str
    task: str
    queue: str
    spec: str
    tz: str = "UTC"
    catch_up: CatchUp = CatchUp.SKIP
    catch_up_limit: int = DEFAULT_LIMIT
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    held: bytes = b""
    limit_key: str = ""

    @property
    def fingerprint(self) -> str:
        """Return what changes when the slots do: a changed schedule has missed none of its new slots."""
        return blake2s(f"{self.spec}\n{self.tz}".encode(), digest_size=6).hexdigest()
