"""Codecs of user classes: Enum, dataclass, NamedTuple, TypedDict and pydantic models.

Their constructors are user code and may raise anything; whatever they raise is a misfit of the value. Fields
are compiled at first use, so that classes may refer to themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from tqd.wire.plain import SCALARS, Misfit, check, deeper
from tqd.wire.values import Codec, convert_map, mismatch

Fields = Callable[[], dict[str, Codec]]
"""Compiles a class's fields, in order."""


def construct(name: str, build: Callable[[], Any]) -> Any:
    """Return what the user's constructor makes; whatever it raises becomes a misfit."""
    try:
        return build()
    except Exception as error:
        raise Misfit(f"no {name}: {type(error).__name__}: {error}") from None


def expect_exactly(kind: type, value: object) -> None:
    """Refuse a value of another class, a subclass too: it would come back as the annotated one."""
    if type(value) is not kind:
        if isinstance(value, kind):
            raise Misfit(
                f"{type(value).__name__} is a subclass of {kind.__name__}, and would come back as one"
            )
        raise mismatch(kind.__name__, value)


class EnumCodec:
    """An Enum of any kind: its value, or its name when some value is not plain."""

    def __init__(self, kind: type[Enum]) -> None:
        self.kind = kind
        self.by_value = all(_is_plain_scalar(member.value) for member in kind.__members__.values())

    def encode(self, value: Any, depth: int) -> Any:
        if not isinstance(value, self.kind):
            raise mismatch(self.kind.__name__, value)
        return value.value if self.by_value else value.name

    def decode(self, value: Any, depth: int) -> Any:
        if self.by_value and type(value) in SCALARS:
            return construct(self.kind.__name__, lambda: self.kind(value))
        if type(value) is str and value in self.kind.__members__:
            return self.kind[value]
        what = "value" if self.by_value else "name"
        raise mismatch(f"the {what} of a member of {self.kind.__name__}", value)

    def accepts(self, value: Any) -> bool:
        try:
            self.decode(value, 0)
        except Misfit:
            return False
        return True


def _is_plain_scalar(value: object) -> bool:
    """Say whether a member may travel as its value; None would be taken for a missing one."""
    if value is None or type(value) not in SCALARS:
        return False
    try:
        check(value)
    except Misfit:
        return False
    return True


class Record:
    """A class made from named fields (dataclass, NamedTuple): a map. A NamedTuple also takes a list.

    Fields that the constructor does not take (`init=False`) do not travel.
    """

    def __init__(self, kind: type, fields: Fields, optional: frozenset[str], *, is_tuple: bool) -> None:
        self.kind = kind
        self.optional = optional
        self.is_tuple = is_tuple
        self._compile = fields
        self._fields: dict[str, Codec] | None = None

    @property
    def fields(self) -> dict[str, Codec]:
        if self._fields is None:
            self._fields = self._compile()
        return self._fields

    def encode(self, value: Any, depth: int) -> Any:
        expect_exactly(self.kind, value)
        rows = [(name, codec, self._field(value, name)) for name, codec in self.fields.items()]
        return convert_map(rows, "encode", depth)

    def _field(self, value: Any, name: str) -> Any:
        try:
            return getattr(value, name)
        except AttributeError:
            raise Misfit(f"its field {name} is not set") from None

    def decode(self, value: Any, depth: int) -> Any:
        name = self.kind.__name__
        if self.is_tuple and type(value) is list:
            if len(value) > len(self.fields):
                raise Misfit(f"{name} has {len(self.fields)} fields, got {len(value)}")
            value = dict(zip(self.fields, value, strict=False))
        values = decode_fields(name, self.fields, self.optional, value, depth)
        return construct(name, lambda: self.kind(**values))

    def accepts(self, value: Any) -> bool:
        if self.is_tuple and type(value) is list:
            return len(value) <= len(self.fields)
        return has_fields(self.fields, self.optional, value)


class Typed:
    """A TypedDict: the dict itself, with converted values."""

    def __init__(self, kind: type, fields: Fields, optional: frozenset[str]) -> None:
        self.name = kind.__name__
        self.optional = optional
        self._compile = fields
        self._fields: dict[str, Codec] | None = None

    @property
    def fields(self) -> dict[str, Codec]:
        if self._fields is None:
            self._fields = self._compile()
        return self._fields

    def encode(self, value: Any, depth: int) -> Any:
        check_fields(self.name, self.fields, self.optional, value)
        return convert_map(((key, self.fields[key], item) for key, item in value.items()), "encode", depth)

    def decode(self, value: Any, depth: int) -> Any:
        return decode_fields(self.name, self.fields, self.optional, value, depth)

    def accepts(self, value: Any) -> bool:
        return has_fields(self.fields, self.optional, value)


def has_fields(fields: dict[str, Codec], optional: frozenset[str], value: Any) -> bool:
    """Say whether the value is a map with all the fields that are needed, and no others."""
    return type(value) is dict and value.keys() <= fields.keys() and fields.keys() - optional <= value.keys()


def check_fields(name: str, fields: dict[str, Codec], optional: frozenset[str], value: Any) -> None:
    """Refuse a map that lacks a field of the class, or has one it does not know."""
    if type(value) is not dict:
        raise mismatch(f"a map for {name}", value)
    for key in value:
        if key not in fields:
            raise Misfit(f"{name} has no field {str(key)[:40]!r}; its fields are {', '.join(fields)}")
    for key in fields:
        if key not in value and key not in optional:
            raise Misfit(f"{name} needs its field {key!r}")


def decode_fields(
    name: str, fields: dict[str, Codec], optional: frozenset[str], value: Any, depth: int
) -> dict[str, Any]:
    """Return the fields' values as annotated."""
    check_fields(name, fields, optional, value)
    return convert_map(((key, fields[key], item) for key, item in value.items()), "decode", depth)


class Model:
    """A pydantic model: its own JSON, as a str; a map is accepted too.

    The JSON is read back at once and compared: secrets, excluded fields, NaN and the like do not survive it,
    and a producer should learn that, not a consumer.
    """

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def encode(self, value: Any, depth: int) -> Any:
        expect_exactly(self.kind, value)
        deeper(depth)
        name = self.kind.__name__
        reason = ""
        for by_alias in (True, False):
            try:
                text = value.model_dump_json(by_alias=by_alias, round_trip=True)
                if self.kind.model_validate_json(text) == value:
                    return text
            except Exception as error:
                reason = f" ({type(error).__name__}: {error})"
        raise Misfit(f"{name} does not come back from its own JSON as what it is{reason}; pass plain fields")

    def decode(self, value: Any, depth: int) -> Any:
        name = self.kind.__name__
        if type(value) is str:
            return construct(name, lambda: self.kind.model_validate_json(value))
        if type(value) is dict:
            return construct(name, lambda: self.kind.model_validate(value))
        raise mismatch(f"a map or the JSON of {name}", value)

    def accepts(self, value: Any) -> bool:
        return type(value) is dict or (type(value) is str and value.startswith("{"))


class Refused:
    """A class that looks like one of the above but cannot be rebuilt; says why at once."""

    def __init__(self, why: str) -> None:
        self.why = why

    def encode(self, value: Any, depth: int) -> Any:
        raise Misfit(self.why)

    def decode(self, value: Any, depth: int) -> Any:
        raise Misfit(self.why)

    def accepts(self, value: Any) -> bool:
        return False
