"""What a handler may be called with: checked where a task is enqueued, and again where it is run.

A `Signature` is compiled once. A call costs an arity check and one look at each value; only parameters whose
annotation asks for it (tuple, set, Enum, dataclass, …) are converted. Plain annotations (int, str, …) are not
enforced, as in Python itself.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from inspect import Parameter
from typing import Any

from tqd.errors import Malformed
from tqd.wire.annotations import Known, compile_hint, optional, resolve
from tqd.wire.plain import Misfit, all_pass, check
from tqd.wire.values import PLAIN, Codec

_KEYWORD_ONLY = sys.maxsize
_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Signature:
    """The parameters of one handler and how their values travel. Immutable; threads may share it."""

    def __init__(
        self,
        name: str,
        parameters: list[Parameter],
        codecs: dict[str, Codec],
        skip: frozenset[str] = frozenset(),
    ) -> None:
        """Take the parameters of a call and their codecs; the result's is under `return`."""
        self.name = name
        self._bind = inspect.Signature(parameters).bind
        self._skip = skip
        self._result = codecs.pop("return", PLAIN)
        by_place = [row for row in parameters if row.kind in _BY_PLACE]
        keyword_only = [row for row in parameters if row.kind is Parameter.KEYWORD_ONLY]
        rest = [row.name for row in parameters if row.kind is Parameter.VAR_POSITIONAL]
        others = [row.name for row in parameters if row.kind is Parameter.VAR_KEYWORD]
        self._arity(by_place, keyword_only, more=bool(rest), any_name=bool(others))
        self._plain = all(codec is PLAIN for codec in codecs.values())
        self._by_place = [codecs.get(row.name, PLAIN) for row in by_place]
        self._rest = codecs.get(rest[0], PLAIN) if rest else PLAIN
        self._by_name = {name: codecs.get(name, PLAIN) for name in self._places}
        self._others = codecs.get(others[0], PLAIN) if others else PLAIN

    def _arity(
        self, by_place: list[Parameter], keyword_only: list[Parameter], *, more: bool, any_name: bool
    ) -> None:
        needed = [index for index, row in enumerate(by_place) if row.default is Parameter.empty]
        lowest = max(needed, default=-1) + 1
        self._most = sys.maxsize if more else len(by_place)
        needs_keyword = any(row.default is Parameter.empty for row in keyword_only)
        self._least = sys.maxsize if needs_keyword else lowest
        self._any_name = any_name
        self._places = {
            row.name: index for index, row in enumerate(by_place) if row.kind is not Parameter.POSITIONAL_ONLY
        }
        self._places.update({row.name: _KEYWORD_ONLY for row in keyword_only})
        self._least_with_names = max(
            (index + 1 for index in needed if by_place[index].kind is Parameter.POSITIONAL_ONLY), default=0
        )
        self._needed = [
            (row.name, self._places[row.name])
            for row in (*by_place, *keyword_only)
            if row.default is Parameter.empty and row.name in self._places
        ]

    @classmethod
    def of(cls, function: Callable[..., Any], skip: frozenset[str] = frozenset()) -> Signature:
        """Return the signature of a function, without the parameters in `skip`, which the worker fills in.

        Raises ValueError or TypeError when Python knows no signature of it (some builtins).
        """
        target: Any = function
        while isinstance(target, partial):
            target = target.func
        target = inspect.unwrap(target)
        if not isinstance(target, type) and not hasattr(target, "__annotations__"):
            target = type(target).__call__
        hints = resolve(target.__init__ if isinstance(target, type) else target)  # type: ignore[misc]
        known: Known = {}
        parameters = [row for row in inspect.signature(function).parameters.values() if row.name not in skip]
        codecs: dict[str, Codec] = {"return": compile_hint(hints.get("return", Any), known)}
        for row in parameters:
            codec = compile_hint(hints.get(row.name, Any), known)
            codecs[row.name] = optional(codec) if row.default is None else codec
        name = getattr(target, "__qualname__", type(target).__qualname__).rpartition("<locals>.")[2]
        return cls(name, [row.replace(annotation=Parameter.empty) for row in parameters], codecs, skip)

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the call's values as msgpack can carry them.

        Raises TypeError when the function cannot be called so, and Unserialisable with the path of a value
        that would not come back as what it is. The result may share containers with
        the call: pack it at once.
        """
        if not self._fits(args, kwargs):
            raise TypeError(self._why_not(args, kwargs))
        path: int | str = 0
        try:
            if self._plain:
                if all_pass(args) and all_pass(kwargs.values()):
                    return list(args), kwargs
                for path, value in enumerate(args):  # noqa: B007 - the path of a misfit
                    check(value)
                for path, value in kwargs.items():  # noqa: B007
                    check(value)
                return list(args), kwargs
            made = []
            for path, value in enumerate(args):
                made.append(self._codec_at(path).encode(value, 0))
            named = {}
            for path, value in kwargs.items():
                named[path] = self._codec_of(path).encode(value, 0)
            return made, named
        except Misfit as misfit:
            raise misfit.refusal(_root(path)) from None

    def decode(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the values as annotated.

        Raises Malformed when the function cannot be called so, and with the path of a value that does not fit
        its annotation.
        """
        if (kwargs or not self._least <= len(args) <= self._most) and not self._fits(args, kwargs):
            raise Malformed(self._why_not(args, kwargs))
        if self._plain:
            return args, kwargs
        path: int | str = 0
        try:
            made = []
            for path, value in enumerate(args):
                made.append(self._codec_at(path).decode(value, 0))
            named = {}
            for path, value in kwargs.items():
                named[path] = self._codec_of(path).decode(value, 0)
            return made, named
        except Misfit as misfit:
            raise misfit.malformed(_root(path)) from None

    def encode_result(self, value: Any) -> Any:
        """Return what the function returned as msgpack can carry it; raises Unserialisable."""
        try:
            return self._result.encode(value, 0)
        except Misfit as misfit:
            raise misfit.refusal("result") from None

    def decode_result(self, value: Any) -> Any:
        """Return the result as annotated; raises Malformed."""
        try:
            return self._result.decode(value, 0)
        except Misfit as misfit:
            raise misfit.malformed("result") from None

    def by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return a call's values by the names of their parameters; TypeError when it cannot be called so."""
        return self._bind(*args, **kwargs).arguments

    def _codec_at(self, place: int) -> Codec:
        return self._by_place[place] if place < len(self._by_place) else self._rest

    def _codec_of(self, name: str) -> Codec:
        return self._by_name.get(name, self._others)

    def _fits(self, args: tuple[Any, ...] | list[Any], kwargs: dict[str, Any]) -> bool:
        """Say whether Python could make the call: what `inspect.Signature.bind` says, 20 times as fast."""
        count = len(args)
        if not kwargs:
            return self._least <= count <= self._most
        if not self._least_with_names <= count <= self._most:
            return False
        places = self._places
        for name in kwargs:
            place = places.get(name)
            if place is None:
                if not self._any_name or name in self._skip or type(name) is not str:
                    return False
            elif place < count:
                return False
        return all(place < count or name in kwargs for name, place in self._needed)

    def _why_not(self, args: tuple[Any, ...] | list[Any], kwargs: dict[str, Any]) -> str:
        count = len(args)
        if count > self._most:
            noun = "argument" if self._most == 1 else "arguments"
            return f"{self.name}() takes {self._most} positional {noun}, {count} given"
        for name in kwargs:
            if type(name) is not str:
                return f"{self.name}() got a keyword argument {name!r} that is not a str"
            if name in self._skip:
                return f"{self.name}() gets {name!r} from the worker; do not pass it"
        try:
            self._bind(*args, **kwargs)
        except TypeError as error:
            return f"{self.name}() cannot be called so: {error}"
        return f"{self.name}() cannot be called so"


def _root(path: int | str) -> str:
    return f"args[{path}]" if type(path) is int else f'kwargs["{path}"]'


UNTYPED = Signature(
    "task",
    [Parameter("args", Parameter.VAR_POSITIONAL), Parameter("kwargs", Parameter.VAR_KEYWORD)],
    {},
)
"""Any call, no annotations known: for tasks enqueued by name."""
