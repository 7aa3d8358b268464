"""Unique tasks: what a declaration or a call says of it, and the key that follows. Values only; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

LONGEST_KEY = 200
"""Characters of a key that somebody gives."""


class UniqueScope(StrEnum):
    """For how long a key is taken: until its task has started for the first time, or until it has ended."""

    UNTIL_STARTED = "until_started"
    UNTIL_DONE = "until_done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniqueness:
    """What one level says: this call, or the declaration. None: not said here.

    `key` True: made of the arguments; False: not unique. `replace`: the newest call wins while it waits.
    """

    key: str | bool | None = None
    scope: UniqueScope | None = None
    replace: bool | None = None

    def over(self, lower: Uniqueness) -> Uniqueness:
        """Return this with the gaps filled from `lower`."""
        return Uniqueness(
            key=lower.key if self.key is None else self.key,
            scope=lower.scope if self.scope is None else self.scope,
            replace=lower.replace if self.replace is None else self.replace,
        )


NOT_SAID = Uniqueness()


class UniqueKey:
    """The key of one new task; and, once it was stored, under which id, and whether as a duplicate.

    Keys are a task name's own: two names never share one.
    """

    __slots__ = ("duplicate", "held", "replace", "replaced", "stored_id")

    def __init__(self, name: str, key: str, scope: UniqueScope, replace: bool) -> None:
        kind = "s" if scope is UniqueScope.UNTIL_STARTED else "d"
        self.held = f"{kind}{name}\0{key}".encode(errors="surrogatepass")
        self.replace = replace
        self.stored_id = b""
        self.duplicate = False
        self.replaced = False

    @classmethod
    def of(cls, held: bytes) -> Self:
        """Return the key that was noted as `held`."""
        unique = cls("", "", UniqueScope.UNTIL_DONE, False)
        unique.held = held
        return unique

    def answered(self, stored_id: bytes, word: bytes) -> None:
        """Take in what Redis says: `new`, `duplicate` or `replaced`."""
        self.stored_id = stored_id
        self.duplicate = word != b"new"
        self.replaced = word == b"replaced"


def shown(held: bytes) -> str:
    """Return the key that a task holds, for people: one that was made of arguments begins with a #."""
    return held[1:].partition(b"\0")[2].decode(errors="replace").removeprefix("=")
