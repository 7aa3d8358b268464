"""Workers that are replaced although they are well."""

from __future__ import annotations

import pytest

from tests.support.fleet_world import World
from tqd.master.events import Action, AskToDrain, Note, Spawn, Weighed
from tqd.master.plan import Limits
from tqd.master.recycling import FIRST_MINUTE_S, RETRY_S, SAMPLES, SPREAD, own_limit

MB = 1_048_576


def running(limits: Limits, workers: int = 2, chance: float = 0.0) -> World:
    world = World(workers, limits=limits, chance=chance)
    world.start()
    world.all_ready()
    return world


def spawned(actions: list[Action]) -> list[str]:
    return [action.seat for action in actions if isinstance(action, Spawn)]


def asked(actions: list[Action]) -> list[str]:
    return [action.seat for action in actions if isinstance(action, AskToDrain)]


def weigh(world: World, seat: str, rss_mb: int, pss_mb: int | None = None) -> list[Action]:
    return world.feed(Weighed(seat, rss_mb * MB, None if pss_mb is None else pss_mb * MB))


def test_the_replacement_is_ready_before_the_old_one_drains() -> None:
    world = running(Limits(max_tasks=100))
    actions = world.beat("worker-1", done=100)
    assert spawned(actions) == ["worker-3"] and asked(actions) == []
    assert asked(world.ready("worker-3")) == ["worker-1"]
    world.obey()
    assert world.workers() == ["worker-2", "worker-3"]
    (note,) = [a for a in actions if isinstance(a, Note)]
    assert note.fields["reason"] == "it has done 100 tasks, limit 100"


def test_one_at_a_time() -> None:
    world = running(Limits(max_tasks=100))
    world.beat("worker-1", done=100)
    assert spawned(world.beat("worker-2", done=100)) == []
    world.ready("worker-3")
    world.obey()
    assert spawned(world.beat("worker-2", done=100)) == ["worker-1"]


@pytest.mark.parametrize(("spread", "limit"), [(0.0, 100.0), (0.5, 90.0)])
def test_chance_reduces_a_limit(spread: float, limit: float) -> None:
    assert own_limit(100, spread) == pytest.approx(limit)
    assert own_limit(100, 1.0) == pytest.approx(100 * (1 - SPREAD))


def test_workers_that_began_together_do_not_go_together() -> None:
    world = running(Limits(max_tasks=100), chance=0.5)
    assert spawned(world.beat("worker-1", done=89)) == []
    assert spawned(world.beat("worker-1", done=90)) == ["worker-3"]


def test_a_worker_goes_with_its_age() -> None:
    world = running(Limits(max_age_s=300.0), workers=1)
    assert spawned(world.pass_time(299.0)) == []
    assert spawned(world.pass_time(2.0)) == ["worker-2"]


def test_a_peak_of_memory_is_no_leak() -> None:
    world = running(Limits(max_rss_bytes=200 * MB))
    world.pass_time(FIRST_MINUTE_S)
    for _ in range(5):
        for _ in range(SAMPLES - 1):
            assert spawned(weigh(world, "worker-1", 201)) == []
        weigh(world, "worker-1", 199)


@pytest.mark.parametrize(
    ("limits", "rss_mb", "pss_mb"),
    [(Limits(max_rss_bytes=200 * MB), 201, None), (Limits(max_pss_bytes=200 * MB), 500, 201)],
)
def test_memory_over_its_limit_several_times_in_a_row_replaces_the_worker(
    limits: Limits, rss_mb: int, pss_mb: int | None
) -> None:
    world = running(limits)
    world.pass_time(FIRST_MINUTE_S)
    actions = [action for _ in range(SAMPLES) for action in weigh(world, "worker-1", rss_mb, pss_mb)]
    assert spawned(actions) == ["worker-3"]
    (note,) = [a for a in actions if isinstance(a, Note)]
    assert "201 MB, limit 200 MB, 3 readings in a row" in str(note.fields["reason"])


def test_resident_memory_alone_says_nothing_about_pss() -> None:
    world = running(Limits(max_pss_bytes=200 * MB))
    world.pass_time(FIRST_MINUTE_S)
    assert spawned([action for _ in range(9) for action in weigh(world, "worker-1", 500, 100)]) == []


def test_nobody_goes_for_memory_in_the_first_minute() -> None:
    world = running(Limits(max_rss_bytes=200 * MB))
    for _ in range(9):
        assert spawned(weigh(world, "worker-1", 500)) == []


def test_a_replacement_that_cannot_start_leaves_the_old_one_in_its_place() -> None:
    world = running(Limits(max_tasks=100))
    world.beat("worker-1", done=100)
    world.fail_to_boot("worker-3")
    assert world.workers() == ["worker-1", "worker-2"]
    assert spawned(world.beat("worker-1", done=100)) == []
    world.pass_time(RETRY_S)
    assert spawned(world.beat("worker-1", done=100)) == ["worker-3"]


def test_an_old_one_that_dies_first_has_its_replacement_already() -> None:
    world = running(Limits(max_tasks=100))
    world.beat("worker-1", done=100)
    assert spawned(world.die("worker-1", -9)) == []
    world.ready("worker-3")
    assert world.workers() == ["worker-2", "worker-3"]
    assert spawned(world.pass_time(10)) == []


def test_a_reload_takes_the_place_of_a_replacement() -> None:
    world = running(Limits(max_tasks=100))
    world.beat("worker-1", done=100)
    world.reload()
    world.obey()
    for _ in range(3):
        world.all_ready()
    world.obey()
    assert len(world.workers(2)) == 2 and world.workers(1) == []


def test_no_limits_replace_nobody() -> None:
    world = running(Limits())
    world.beat("worker-1", done=10**9)
    assert spawned(world.pass_time(10_000)) == []
