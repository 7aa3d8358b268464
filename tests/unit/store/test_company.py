"""Who shares the work, and what they want."""

from __future__ import annotations

import pytest

from tqd.store.company import Company, Stance, company, dump, load

NOW = 1_800_000_000_000
ALIVE = ("a", "b", "c")
SIZES = {"a": 2, "b": 3, "c": 4}


def stance(workers: int, grown_s: float = 0.0, queues: tuple[str, ...] = ("mail",)) -> Stance:
    at_ms = NOW - round(grown_s * 1000) if grown_s else 0
    return Stance(workers, at_ms, at_ms, queues)


def look(own: str = "a", **stances: Stance) -> Company:
    return company(own, ["mail", "bill"], ALIVE, SIZES, stances, NOW)


def test_daemons_that_tell_nothing_are_there_with_what_they_have_and_share_no_step() -> None:
    assert look() == Company(sharing=1, rank=0, others=7)


def test_daemons_that_scale_share_a_step_with_what_they_want() -> None:
    found = look(a=stance(5), b=stance(6, 20.0), c=stance(1, 90.0))
    assert found == Company(sharing=3, rank=1, others=7, grown_ms=20_000, changed_ms=20_000)


def test_daemons_of_other_queues_are_no_company() -> None:
    assert look(a=stance(5), b=stance(6, 20.0, ("render",)), c=stance(9, queues=("bill",))).others == 9


def test_names_decide_between_equals() -> None:
    assert [look(own, a=stance(2), b=stance(2), c=stance(2)).rank for own in ALIVE] == [0, 1, 2]


def test_one_whose_lease_is_over_has_no_place() -> None:
    assert look("z", b=stance(2)).rank == -1


def test_a_stance_is_read_as_it_was_told() -> None:
    assert load(dump(stance(5, 7.0, ("é", "b")))) == stance(5, 7.0, ("é", "b"))


@pytest.mark.parametrize(
    "data",
    [
        None, b"", b"[]", b"7", b"{}", b"\xff", b"[" * 100_000,
        b'{"workers": -1, "grown_ms": 0, "changed_ms": 0, "queues": []}',
        b'{"workers": 1e999, "grown_ms": 0, "changed_ms": 0, "queues": []}',
        b'{"workers": 1, "grown_ms": -5, "changed_ms": 0, "queues": []}',
        b'{"workers": 1, "grown_ms": 0, "changed_ms": 0, "queues": 5}',
    ],
    ids=repr,
)  # fmt: skip
def test_garbage_is_nobody_s(data: bytes | None) -> None:
    assert load(data) is None
