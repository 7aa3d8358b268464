"""The plan of a run follows from its seed and leaves no kind of fault out."""

from __future__ import annotations

import pytest

from tests.chaos.plan import DEFAULT_LEASE_S, KINDS, lease_s, plan


@pytest.mark.parametrize("seed", range(20))
def test_each_run_has_every_kind(seed: int) -> None:
    assert {fault.kind for fault in plan(seed)} == set(KINDS)


def test_a_seed_gives_the_same_plan_again() -> None:
    assert plan(7) == plan(7)


def test_another_seed_gives_another_plan() -> None:
    assert plan(7) != plan(8)


def test_a_stopped_daemon_is_stopped_for_longer_than_its_lease() -> None:
    stops = [(fault, seed) for seed in range(20) for fault in plan(seed) if fault.kind == "daemon_stop"]
    assert all(fault.hold_s > lease_s(seed) for fault, seed in stops)


def test_nothing_happens_on_top_of_itself() -> None:
    assert all(fault.on_top != fault.kind for seed in range(50) for fault in plan(seed))


def test_some_runs_have_the_default_lease() -> None:
    assert [seed for seed in range(1, 11) if lease_s(seed) == DEFAULT_LEASE_S] == [5, 10]
