"""Equal calls have equal fingerprints, whatever the order in which their parts were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tqd.errors import Unserialisable
from tqd.wire.fingerprint import fingerprint
from tqd.wire.signature import UNTYPED, Signature


@dataclass
class Order:
    tags: set[str]
    size: int = 0


def job(a: int, b: Any = None, *, c: set[str] = frozenset(), d: Order | None = None) -> None: ...  # type: ignore[assignment]


JOB = Signature.of(job)


def of(*args: Any, **kwargs: Any) -> str:
    return fingerprint(JOB, args, kwargs)


def test_it_is_32_digits_that_stay_the_same() -> None:
    assert of(1, {"x": [1]}) == of(1, {"x": [1]})
    assert len(of(1)) == 32


def test_by_place_and_by_name_are_one_call() -> None:
    assert of(1, 2) == of(1, b=2) == of(b=2, a=1)


def test_the_order_of_keys_and_of_sets_means_nothing() -> None:
    assert of(1, {"x": {"p": 1, "q": 2}, "y": 2}) == of(1, {"y": 2, "x": {"q": 2, "p": 1}})
    tags = [f"tag{n}" for n in range(50)]
    assert of(1, c=set(tags)) == of(1, c=set(reversed(tags)))
    assert of(1, d=Order(set(tags))) == of(1, d=Order(set(reversed(tags))))


@pytest.mark.parametrize(
    "other",
    [
        (2,),
        (1, 1),
        (1, [1, 2]),
        (1, [2, 1]),
        (1, "1"),
        (1, {"a": 1}),
        (1, ["a", 1]),
        (1, [["a", 1]]),
        (1, {}),
    ],
)
def test_different_calls_differ(other: tuple[Any, ...]) -> None:
    rest = [(1,), (1, 1.0), (1, [1, 2, 3]), (1, b"1"), (1, {"a": [1]}), (1, ["map", ["a", 1]])]
    assert of(*other) not in [of(*one) for one in rest]


def test_what_cannot_travel_has_none() -> None:
    with pytest.raises(Unserialisable):
        of(1, object())
    with pytest.raises(TypeError):
        of()


def test_a_call_by_name_only_has_one_too() -> None:
    assert fingerprint(UNTYPED, (1,), {"x": 1, "y": 2}) == fingerprint(UNTYPED, (1,), {"y": 2, "x": 1})
    assert fingerprint(UNTYPED, (1,), {}) != fingerprint(UNTYPED, (), {"args": [1]})
