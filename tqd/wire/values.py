"""Codecs: how a value of one annotation becomes a plain value, and comes back.

Each has `encode` (strict: exactly the annotated class, so that what arrives equals what was sent), `decode`
(also takes the plain equivalent, for tasks enqueued by name) and `accepts`, a shallow look by which a union
chooses. All raise `Misfit`. `depth` is the number of containers around the value.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from tqd.wire.plain import Misfit, check, deeper, refusal_reason

TAG = "|"
"""The only key of the map that carries a member of an ambiguous union: `{"|": [index, value]}`."""


class Codec(Protocol):
    """One annotation, compiled."""

    def encode(self, value: Any, depth: int) -> Any: ...

    def decode(self, value: Any, depth: int) -> Any: ...

    def accepts(self, value: Any) -> bool: ...


def mismatch(expected: str, value: object) -> Misfit:
    """Return the misfit of a value of the wrong class."""
    return Misfit(f"expected {expected}, got {type(value).__name__}")


class Plain:
    """Values that are what they are: the annotation is not enforced, only what msgpack would change."""

    def encode(self, value: Any, depth: int) -> Any:
        check(value, depth)
        return value

    def decode(self, value: Any, depth: int) -> Any:
        return value

    def accepts(self, value: Any) -> bool:
        return True


PLAIN = Plain()


class Exactly:
    """A class with an ext type of its own (datetime, UUID, …): passes as it is, and nothing else does."""

    def __init__(self, *kinds: type) -> None:
        self.kinds = kinds

    def encode(self, value: Any, depth: int) -> Any:
        if type(value) not in self.kinds:
            raise self._misfit(value)
        check(value, depth)
        return value

    def decode(self, value: Any, depth: int) -> Any:
        if type(value) not in self.kinds:
            raise self._misfit(value)
        return value

    def accepts(self, value: Any) -> bool:
        return type(value) in self.kinds

    def _misfit(self, value: object) -> Misfit:
        return mismatch(" or ".join(kind.__name__ for kind in self.kinds), value)


class Optional:
    """`X | None`."""

    def __init__(self, inner: Codec) -> None:
        self.inner = inner

    def encode(self, value: Any, depth: int) -> Any:
        return None if value is None else self.inner.encode(value, depth)

    def decode(self, value: Any, depth: int) -> Any:
        return None if value is None else self.inner.decode(value, depth)

    def accepts(self, value: Any) -> bool:
        return value is None or self.inner.accepts(value)


class Items:
    """list[X], set[X], frozenset[X] and tuple[X, …]: a list of the items."""

    def __init__(self, kind: type, item: Codec) -> None:
        self.kind = kind
        self.item = item

    def encode(self, value: Any, depth: int) -> Any:
        kind: type = type(value)
        if kind is not self.kind:
            raise mismatch(self.kind.__name__, value)
        return _each(((self.item, item) for item in value), "encode", depth)

    def decode(self, value: Any, depth: int) -> Any:
        if type(value) is not list:
            raise mismatch(f"a list for {self.kind.__name__}", value)
        items = _each(((self.item, item) for item in value), "decode", depth)
        if self.kind is list:
            return items
        try:
            return self.kind(items)
        except (TypeError, ValueError, OverflowError) as error:  # from hashing an item
            raise Misfit(f"no {self.kind.__name__}: {error}") from None

    def accepts(self, value: Any) -> bool:
        return type(value) is list


class FixedTuple:
    """tuple[X, Y]: a list of exactly these."""

    def __init__(self, items: tuple[Codec, ...]) -> None:
        self.items = items

    def encode(self, value: Any, depth: int) -> Any:
        if type(value) is not tuple:
            raise mismatch("tuple", value)
        return self._convert(value, "encode", depth)

    def decode(self, value: Any, depth: int) -> Any:
        if type(value) is not list:
            raise mismatch("a list for tuple", value)
        return tuple(self._convert(value, "decode", depth))

    def accepts(self, value: Any) -> bool:
        return type(value) is list and len(value) == len(self.items)

    def _convert(self, value: Any, way: str, depth: int) -> list[Any]:
        if len(value) != len(self.items):
            raise Misfit(f"expected {len(self.items)} items, got {len(value)}")
        return _each(zip(self.items, value, strict=True), way, depth)


def _each(pairs: Iterable[tuple[Codec, Any]], way: str, depth: int) -> list[Any]:
    deeper(depth)
    made: list[Any] = []
    try:
        for codec, item in pairs:
            made.append(getattr(codec, way)(item, depth + 1))
    except Misfit as misfit:
        raise misfit.inside(len(made)) from None
    return made


class Mapping:
    """dict[str, X]: a map."""

    def __init__(self, item: Codec) -> None:
        self.item = item

    def encode(self, value: Any, depth: int) -> Any:
        if type(value) is not dict:
            raise mismatch("dict", value)
        check(dict.fromkeys(value), depth)
        return convert_map(((key, self.item, item) for key, item in value.items()), "encode", depth)

    def decode(self, value: Any, depth: int) -> Any:
        if type(value) is not dict:
            raise mismatch("dict", value)
        return convert_map(((key, self.item, item) for key, item in value.items()), "decode", depth)

    def accepts(self, value: Any) -> bool:
        return type(value) is dict


def convert_map(rows: Iterable[tuple[Any, Codec, Any]], way: str, depth: int) -> dict[Any, Any]:
    """Return a dict of the rows (key, codec, value), converted by `way`: "encode" or "decode"."""
    deeper(depth)
    made: dict[Any, Any] = {}
    key: Any = None
    try:
        for key, codec, item in rows:
            made[key] = getattr(codec, way)(item, depth + 1)
    except Misfit as misfit:
        raise misfit.inside(key) from None
    return made


class Pairs:
    """dict[K, X] with keys that msgpack cannot key by: a list of [key, value]."""

    def __init__(self, key: Codec, item: Codec) -> None:
        self.pair = FixedTuple((key, item))

    def encode(self, value: Any, depth: int) -> Any:
        if type(value) is not dict:
            raise mismatch("dict", value)
        return self._convert(value.items(), "encode", depth)

    def decode(self, value: Any, depth: int) -> Any:
        if type(value) is dict:
            rows = [list(pair) for pair in value.items()]
        elif type(value) is list:
            rows = value
        else:
            raise mismatch("a list of [key, value] or a map for dict", value)
        made = self._convert(rows, "decode", depth)
        try:
            return dict(made)
        except (TypeError, ValueError, OverflowError) as error:  # from hashing a key
            raise Misfit(f"no dict: {error}") from None

    def accepts(self, value: Any) -> bool:
        return type(value) is list or type(value) is dict

    def _convert(self, rows: Iterable[Any], way: str, depth: int) -> list[Any]:
        deeper(depth)
        made: list[Any] = []
        row: Any = None
        try:
            for row in rows:
                convert = getattr(self.pair, way)
                made.append(convert(row if way == "decode" else tuple(row), depth + 1))
        except Misfit as misfit:
            step = row[0] if way == "encode" else len(made)
            if way == "encode":
                misfit.steps.pop()
            raise misfit.inside(step) from None
        return made


class Union:
    """A union whose members could be taken for each other: the value travels with the member's index.

    Encoding takes the first member that fits exactly. Decoding a value without index (enqueued by name) takes
    the first that accepts its shape and never goes back, so that hostile nesting costs no more than its size.
    """

    def __init__(self, members: tuple[Codec, ...], name: str) -> None:
        self.members = members
        self.name = name

    def encode(self, value: Any, depth: int) -> Any:
        deeper(depth + 1)
        deepest: Misfit | None = None
        for index, member in enumerate(self.members):
            try:
                return {TAG: [index, member.encode(value, depth + 2)]}
            except Misfit as misfit:
                if deepest is None or len(misfit.steps) > len(deepest.steps):
                    deepest = misfit
        if deepest is not None and deepest.steps:
            raise deepest
        raise Misfit(f"{refusal_reason(value)} (it fits no member of {self.name})")

    def decode(self, value: Any, depth: int) -> Any:
        if type(value) is dict and len(value) == 1 and TAG in value:
            return self._decode_tagged(value[TAG], depth)
        for member in self.members:
            if member.accepts(value):
                return member.decode(value, depth)
        raise mismatch(self.name, value)

    def accepts(self, value: Any) -> bool:
        if type(value) is dict and TAG in value:
            return len(value) == 1
        return any(member.accepts(value) for member in self.members)

    def _decode_tagged(self, tagged: Any, depth: int) -> Any:
        if type(tagged) is not list or len(tagged) != 2 or type(tagged[0]) is not int:
            raise Misfit(f'"{TAG}" must hold [index, value] for {self.name}')
        index, value = tagged
        if not 0 <= index < len(self.members):
            raise Misfit(f"index {index} names no member of {self.name}")
        return self.members[index].decode(value, depth + 2)
