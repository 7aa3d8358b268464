"""The limit key of a task: a text by which tasks are counted together, such as a customer's number.

What a declaration or a call says of it, and the key that follows. Values only; no I/O.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from typing import Any
from uuid import UUID

LONGEST_KEY = 200
"""Characters of a key."""

KEY_RULE = f"it is a text of 1 to {LONGEST_KEY} characters"

_DIGEST_BYTES = 16
_PLAIN = (str, int, float, UUID, Decimal, date, timedelta)


class LimitBy:
    """The parameter of a declared task whose value is its limit key; `default`: when left out."""

    __slots__ = ("default", "parameter")

    def __init__(self, parameter: str, default: object) -> None:
        self.parameter = parameter
        self.default = default

    def key(self, given: dict[str, Any]) -> str:
        """Return the key of a call, of its arguments by name; TypeError when the value can be none."""
        try:
            return key_of(given.get(self.parameter, self.default))
        except ValueError as error:
            raise TypeError(f"limit_by {self.parameter}: {error}") from None


def key_of(value: object) -> str:
    """Return the key that a value makes: its text; of a longer one a digest, which begins with a #.

    None and an empty text make none (""): such a task is bound by no limit of keys. ValueError: a value whose
    text says little about it, such as a list.
    """
    if value is None:
        return ""
    if isinstance(value, Enum):
        return key_of(value.value)
    if not isinstance(value, _PLAIN):
        name = type(value).__name__
        raise ValueError(f"a {name} is no limit key: a text, a number, a UUID, a date, an Enum of these is")
    text = str(value)
    if len(text) <= LONGEST_KEY:
        return text
    return "#" + blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def is_key(value: object) -> bool:
    """Tell whether a value is a key that somebody may give."""
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_KEY and _travels(value)


def _travels(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
