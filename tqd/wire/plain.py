"""The plain rule: which values travel without an annotation, and how a refusal says where and why.

A refusal is a `Misfit` that collects its path while it leaves the containers; the caller who knows the root
(`args[1]`, `result`) turns it into `Unserialisable` or `Malformed`. So the good case carries no path at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from tqd.errors import Malformed, Unserialisable

MAX_DEPTH = 32
"""How many containers deep one value may be. Deeper ones unpack, but break `json` and `repr` later."""

MIN_INT, MAX_INT = -(2**63), 2**64 - 1

SCALARS: frozenset[type] = frozenset(
    (type(None), bool, int, float, str, bytes, datetime, date, time, timedelta, UUID, Decimal)
)
"""What msgpack, or one of our ext types, carries as exactly what it is."""

_FREE = SCALARS - {int, str, datetime, time}
_SURROGATE = re.compile("[\ud800-\udfff]")


class Misfit(Exception):
    """Raised inside this package when a value cannot travel, or does not fit its annotation."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []

    def inside(self, step: object) -> Misfit:
        """Return this misfit, seen from the container that holds the value under `step`."""
        self.steps.append(step_text(step))
        return self

    def at(self, root: str) -> str:
        """Return the whole sentence: the path from `root`, then what is wrong."""
        return f"{root}{''.join(reversed(self.steps))}: {self.reason}"

    def refusal(self, root: str) -> Unserialisable:
        """Return the error for a producer."""
        return Unserialisable(self.at(root))

    def malformed(self, root: str) -> Malformed:
        """Return the error for a consumer."""
        return Malformed(self.at(root))


def step_text(step: object) -> str:
    """Return one step of a path: `[3]`, `["key"]`; keys beyond 40 characters are cut."""
    if type(step) is int:
        return f"[{step}]"
    text = repr(step) if type(step) is not str else '"' + ascii(step)[1:-1] + '"'
    return f"[{text if len(text) <= 42 else text[:40] + '…'}]"


def passes(value: Any, depth: int = 0) -> bool:
    """Return True only when `check` would pass: a fraction of its work, for values as most tasks have them.

    False means that `check` has to be asked, which knows the path of what is wrong, if anything is.
    """
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str or not key.isascii():
                return False
        return depth < MAX_DEPTH and all_pass(value.values(), depth + 1)
    if kind is list:
        return depth < MAX_DEPTH and all_pass(value, depth + 1)
    return all_pass((value,), depth) if kind is int or kind is str else kind in _FREE


def all_pass(values: Iterable[Any], depth: int = 0) -> bool:
    """Return True only when `passes` says so of each value; a loop, as calls are what costs here."""
    for value in values:
        kind = type(value)
        if kind is int:
            if not MIN_INT <= value <= MAX_INT:
                return False
        elif kind is str:
            if not value.isascii():
                return False
        elif kind not in _FREE and not passes(value, depth):
            return False
    return True


def check(value: Any, depth: int = 0) -> None:
    """Pass when the value, lying in `depth` containers, comes back from msgpack as exactly what it is.

    Raises `Misfit` for any other class (subclasses of plain ones too), keys that are not str or bytes, ints
    beyond 64 bits, lone surrogates, and nesting beyond `MAX_DEPTH`, which is also how a cycle ends.
    """
    kind = type(value)
    if kind in _FREE:
        return
    if kind is int:
        if not MIN_INT <= value <= MAX_INT:
            raise Misfit("int is beyond 64 bits; pass it as a str or a Decimal")
    elif kind is str:
        if not value.isascii():
            _check_text(value)
    elif kind is dict:
        _check_dict(value, depth)
    elif kind is list:
        deeper(depth)
        index = 0
        try:
            for index, item in enumerate(value):  # noqa: B007 - the path of a misfit
                check(item, depth + 1)
        except Misfit as misfit:
            raise misfit.inside(index) from None
    elif kind is datetime or kind is time:
        if value.tzinfo is not None:
            _check_zone(value)
    else:
        raise Misfit(refusal_reason(value))


def _check_dict(value: dict[Any, Any], depth: int) -> None:
    deeper(depth)
    key: Any = None
    try:
        for key, item in value.items():
            kind = type(key)
            if kind is not str and kind is not bytes:
                break
            if kind is str and not key.isascii():
                _check_text(key)
            check(item, depth + 1)
        else:
            return
    except Misfit as misfit:
        raise misfit.inside(key) from None
    name = type(key).__name__
    raise Misfit(
        f"the key {_short(key)} is {_article(name)}, not a str or bytes; "
        f"annotate the parameter as dict[{name}, …] or use str keys"
    )


def deeper(depth: int) -> None:
    """Refuse a container that lies in `depth` others when that is too deep."""
    if depth >= MAX_DEPTH:
        raise Misfit(f"nested deeper than {MAX_DEPTH} containers, or holds itself; pass a flatter value")


def _check_text(value: str) -> None:
    found = _SURROGATE.search(value)
    if found:
        raise Misfit(
            f"str has a lone surrogate at index {found.start()}, which UTF-8 cannot carry; "
            "pass bytes, or clean it with errors='replace'"
        )


def _check_zone(value: datetime | time) -> None:
    if value.utcoffset() is None and getattr(value.tzinfo, "key", None) is None:
        kind = type(value.tzinfo).__name__
        raise Misfit(f"its tzinfo ({kind}) gives no offset; use zoneinfo.ZoneInfo or datetime.timezone")


def refusal_reason(value: object) -> str:
    """Return why the plain rule refuses the value, and what to do."""
    kind = type(value)
    name = kind.__name__
    if kind in (tuple, set, frozenset):
        return f"{name} is not serialisable; annotate the parameter as {name}[…] or pass a list"
    if kind in (bytearray, memoryview):
        return f"{name} is not serialisable; pass bytes(value)"
    if isinstance(value, Enum):
        return f"{name} is not serialisable; annotate the parameter as {name} or pass its value"
    if is_dataclass(kind) or is_named_tuple(kind) or is_model(kind):
        return f"{name} is not serialisable; annotate the parameter as {name} or pass a dict"
    for plain in (bool, int, float, str, bytes, list, dict, tuple, set, *SCALARS):
        if plain is not type(None) and isinstance(value, plain):
            base = plain.__name__
            return f"{name}, a subclass of {base}, would not come back as {name}; pass a {base}"
    return (
        f"{name} is not serialisable; pass None, bool, int, float, str, bytes, list, dict, a date or time, "
        "UUID or Decimal, or annotate the parameter with a dataclass"
    )


def is_named_tuple(kind: Any) -> bool:
    """Say whether the class is a NamedTuple."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def is_model(kind: Any) -> bool:
    """Say whether the class is a pydantic model (version 2); pydantic itself is never imported."""
    return isinstance(kind, type) and hasattr(kind, "model_validate") and hasattr(kind, "model_dump")


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _article(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"
