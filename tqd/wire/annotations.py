"""Compiles annotations to codecs, once per handler.

What cannot be resolved, is not known, or is not a class (`Callable`, an unbound name, `object`) falls under
the plain rule; an annotation never makes declaring a handler fail.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import sys
import types
import typing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

from tqd.wire.classes import EnumCodec, Model, Record, Refused, Typed
from tqd.wire.plain import is_model, is_named_tuple
from tqd.wire.values import PLAIN, Codec, Exactly, FixedTuple, Items, Mapping, Optional, Pairs, Union

Known = dict[Any, Codec]
"""The codecs of the classes met so far: a class that holds itself is compiled once."""

_EXACT: Known = {
    datetime: Exactly(datetime),
    date: Exactly(date, datetime),
    time: Exactly(time),
    timedelta: Exactly(timedelta),
    UUID: Exactly(UUID),
    Decimal: Exactly(Decimal),
}
_SETS: dict[Any, type] = {set: set, frozenset: frozenset, abc.Set: set, abc.MutableSet: set}
_LISTS = frozenset((list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection))
_DICTS = frozenset((dict, abc.Mapping, abc.MutableMapping))
_WRAPPERS = (typing.Annotated, typing.Required, typing.NotRequired, typing.Final)


def resolve(owner: Any, *, extras: bool = False) -> dict[str, Any]:
    """Return the annotations of a function or class, evaluated; those that cannot be are left out.

    Evaluating is running user code, which may raise anything (NameError for names that only type checkers
    import, TypeError for `list | "X"`); then each annotation is tried alone.
    """
    try:
        return typing.get_type_hints(owner, include_extras=extras)
    except Exception:
        parts = owner.__mro__[::-1] if isinstance(owner, type) else (owner,)
        return {name: hint for part in parts for name, hint in _one_by_one(part, extras)}


def _one_by_one(owner: Any, extras: bool) -> list[tuple[str, Any]]:
    module = sys.modules.get(getattr(owner, "__module__", "builtins"))
    names = getattr(owner, "__globals__", None) or vars(module or types)
    found: list[tuple[str, Any]] = []
    for name, text in getattr(owner, "__annotations__", {}).items():
        alone = types.SimpleNamespace(__annotations__={name: text})
        try:
            found += typing.get_type_hints(alone, globalns=names, include_extras=extras).items()
        except Exception:
            continue
    return found


def compile_hint(hint: Any, known: Known) -> Codec:
    """Return the codec of one annotation."""
    try:
        if hint in known:
            return known[hint]
        if hint in _EXACT:
            return _EXACT[hint]
    except TypeError:
        return PLAIN
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    inner = _inside(hint, origin, args)
    if inner is not None:
        known[hint] = PLAIN
        known[hint] = codec = compile_hint(inner, known)
        return codec
    if origin is typing.Union or origin is types.UnionType:
        return _union(args, str(hint), known)
    if origin is typing.Literal:
        return _union(tuple(dict.fromkeys(type(value) for value in args)), str(hint), known)
    kind = origin or hint
    if kind is tuple:
        return _tuple(hint, args, known)
    return _container(kind, args, known) if isinstance(kind, type) else PLAIN


def _inside(hint: Any, origin: Any, args: tuple[Any, ...]) -> Any:
    """Return what a wrapper, a NewType, an alias or a type variable stands for; None for anything else."""
    if origin in _WRAPPERS:
        return args[0]
    if hasattr(hint, "__metadata__"):
        return hint.__origin__
    if isinstance(hint, typing.TypeVar):
        return hint.__bound__
    if type(hint).__name__ == "TypeAliasType":
        return hint.__value__
    return getattr(hint, "__supertype__", None)


def _union(args: tuple[Any, ...], name: str, known: Known) -> Codec:
    codecs = [compile_hint(arg, known) for arg in args if arg is not type(None)]
    members = list(dict.fromkeys(codecs))
    if all(member is PLAIN or isinstance(member, Exactly) for member in members):
        kinds = [kind for member in members if isinstance(member, Exactly) for kind in member.kinds]
        made: Codec = PLAIN if PLAIN in members or not kinds else Exactly(*dict.fromkeys(kinds))
    elif len(members) == 1:
        made = members[0]
    else:
        made = Union(tuple(members), name)
    return optional(made) if len(codecs) < len(args) else made


def optional(codec: Codec) -> Codec:
    """Return the codec that lets None through as well."""
    return codec if codec is PLAIN or isinstance(codec, Optional) else Optional(codec)


def _tuple(hint: Any, args: tuple[Any, ...], known: Known) -> Codec:
    if hint is tuple or hint is typing.Tuple or any(typing.get_origin(arg) is typing.Unpack for arg in args):  # noqa: UP006
        return Items(tuple, PLAIN)
    if len(args) == 2 and args[1] is Ellipsis:
        return Items(tuple, compile_hint(args[0], known))
    return FixedTuple(tuple(compile_hint(arg, known) for arg in args))


def _container(kind: Any, args: tuple[Any, ...], known: Known) -> Codec:
    if kind in _SETS:
        return Items(_SETS[kind], compile_hint(args[0], known) if args else PLAIN)
    if kind in _LISTS:
        item = compile_hint(args[0], known) if args else PLAIN
        return PLAIN if item is PLAIN else Items(list, item)
    if kind in _DICTS:
        return _dict(args, known) if len(args) == 2 else PLAIN
    if kind not in known:
        known[kind] = PLAIN
        known[kind] = _user_class(kind, known)
    return known[kind]


def _dict(args: tuple[Any, ...], known: Known) -> Codec:
    key, item = compile_hint(args[0], known), compile_hint(args[1], known)
    if key is not PLAIN or not _plain_keys(args[0]):
        return Pairs(key, item)
    return PLAIN if item is PLAIN else Mapping(item)


def _plain_keys(hint: Any) -> bool:
    """Say whether a map may have such keys: str or bytes, or nothing is known of them."""
    if typing.get_origin(hint) is typing.Literal:
        return all(type(value) in (str, bytes) for value in typing.get_args(hint))
    inner = _inside(hint, typing.get_origin(hint), typing.get_args(hint))
    if inner is not None:
        return _plain_keys(inner)
    return hint in (str, bytes, Any, object, str | bytes) or isinstance(hint, typing.TypeVar)


def _user_class(kind: Any, known: Known) -> Codec:
    if is_model(kind):
        return Model(kind)
    if issubclass(kind, Enum):
        return EnumCodec(kind) if kind.__members__ else PLAIN
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, known)
    if is_named_tuple(kind):
        fields = partial(_fields, kind, kind._fields, kind._field_defaults, known)
        return Record(kind, fields, frozenset(kind._field_defaults), is_tuple=True)
    if typing.is_typeddict(kind):
        return _typed_dict(kind, known)
    return PLAIN


def _dataclass(kind: Any, known: Known) -> Codec:
    hints = resolve(kind)
    if any(isinstance(hint, dataclasses.InitVar) for hint in hints.values()):
        return Refused(f"{kind.__name__} has an InitVar, which is not kept and so cannot be sent")
    missing = dataclasses.MISSING
    given = [field for field in dataclasses.fields(kind) if field.init]
    defaults = {
        field.name: field.default
        for field in given
        if field.default is not missing or field.default_factory is not missing
    }
    fields = partial(_fields, kind, [field.name for field in given], defaults, known)
    return Record(kind, fields, frozenset(defaults), is_tuple=False)


def _fields(kind: Any, names: list[str], defaults: dict[str, Any], known: Known) -> dict[str, Codec]:
    hints = resolve(kind)
    codecs = {name: compile_hint(hints.get(name, Any), known) for name in names}
    return {
        name: optional(codec) if name in defaults and defaults[name] is None else codec
        for name, codec in codecs.items()
    }


def _typed_dict(kind: Any, known: Known) -> Codec:
    hints = resolve(kind, extras=True)
    free = set(kind.__optional_keys__)
    for name, hint in hints.items():
        if typing.get_origin(hint) is typing.NotRequired:
            free.add(name)
        elif typing.get_origin(hint) is typing.Required:
            free.discard(name)
    return Typed(kind, partial(_fields, kind, list(hints), {}, known), frozenset(free))
