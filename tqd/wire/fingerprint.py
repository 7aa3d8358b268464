"""The fingerprint of a call's arguments: equal calls have equal ones, in every process and on every host.

What differs between equal values is put in order: the keys of maps, the items of sets, and whether an
argument was given by place or by name. A default that is left out is not one that is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from tqd.wire.packing import pack
from tqd.wire.signature import Signature

_BYTES = 16


def fingerprint(signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return 32 hexadecimal digits for a call; raises what `Signature.encode` raises."""
    made, named = signature.encode(args, kwargs)
    given = signature.by_name(args, kwargs)
    ordered = _ordered(signature.by_name(tuple(made), named), given)
    return blake2b(pack([ordered], ("arguments",)), digest_size=_BYTES).hexdigest()


def _ordered(value: Any, given: Any) -> Any:
    """Return the encoded value with an order of its own; `given` is what it was made of."""
    if isinstance(value, Mapping):
        rows = [(key, _ordered(item, _part(given, key))) for key, item in value.items()]
        # A map is told from a list of pairs by what stands in front.
        return ["map", *sorted(([key, item] for key, item in rows), key=_bytes_of)]
    if isinstance(value, list | tuple):
        if isinstance(given, set | frozenset):
            return ["set", *sorted((_ordered(item, None) for item in value), key=_bytes_of)]
        same = isinstance(given, list | tuple) and len(given) == len(value)
        parts = given if same else [None] * len(value)
        return ["list", *(_ordered(item, part) for item, part in zip(value, parts, strict=True))]
    return value


def _part(given: Any, key: Any) -> Any:
    if isinstance(given, Mapping):
        return given.get(key)
    return getattr(given, key, None) if isinstance(key, str) else None


def _bytes_of(value: Any) -> bytes:
    return pack([value], ("arguments",))
