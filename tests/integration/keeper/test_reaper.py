"""The keeper's duties, each by one call: the lease, and the claims of the dead."""

from __future__ import annotations

import pytest

from tests.integration.keeper.conftest import BEFORE, ELSEWHERE, LEASE_S, OURS, STRANGER, Scene
from tests.support.faults import CuttingProxy
from tests.support.store_driver import identity
from tqd.errors import StoreUnavailable
from tqd.keeper.reaper import Reaper
from tqd.store.node_store import NodeStore
from tqd.task.names import NodeName


async def reap_processes(reaper: Reaper, _: NodeStore) -> None:
    await reaper.reap_processes()


async def reap_lost(reaper: Reaper, _: NodeStore) -> None:
    await reaper.reap_lost()


async def reap_nodes(reaper: Reaper, _: NodeStore) -> None:
    await reaper.reap_nodes(LEASE_S)


def test_a_renewal_sets_the_end_of_the_lease(scene: Scene) -> None:
    async def renew(_: Reaper, store: NodeStore) -> None:
        await store.renew(round(LEASE_S * 1000))

    scene.lease(OURS, -5)
    scene.run(renew)
    assert LEASE_S - 2 < scene.leases()[str(OURS)] <= LEASE_S + 0.5


def test_a_lease_is_renewed_on_a_full_redis(scene: Scene) -> None:
    async def renew(_: Reaper, store: NodeStore) -> None:
        await store.renew(round(LEASE_S * 1000))

    scene.lease(OURS, -5)
    scene.driver.fill()
    try:
        scene.run(renew)
    finally:
        scene.driver.fill(False)
    assert scene.leases()[str(OURS)] > LEASE_S - 2


def test_a_worker_whose_end_was_reported_loses_its_claims_and_the_right_to_claim(scene: Scene) -> None:
    worker = scene.worker()
    scene.holds(worker, 2, 1)

    async def gone(reaper: Reaper, _: NodeStore) -> None:
        await reaper.worker_gone(worker)

    assert scene.run(gone).reclaimed == 2
    assert scene.driver.order() == [1, 2], "the oldest is to run first"
    assert [scene.driver.counts(number) for number in (1, 2)] == [b"1:0:1", b"1:0:1"]
    assert not scene.may_claim(worker, OURS) and scene.lost() == set()
    assert scene.driver.rings() == 1
    assert scene.run(gone).reclaimed == 0, "a second report changes nothing"


def test_taken_back_tasks_go_before_those_that_wait(scene: Scene) -> None:
    worker = scene.worker()
    scene.driver.enqueue(8, 9)
    scene.holds(worker, 1)

    async def gone(reaper: Reaper, _: NodeStore) -> None:
        await reaper.worker_gone(worker)

    scene.run(gone)
    assert scene.driver.order() == [1, 8, 9]


def test_claims_that_nobody_of_ours_wrote_do_not_keep_the_others(scene: Scene) -> None:
    worker = scene.worker()
    scene.holds(worker, 1)
    scene.client.hset(scene.keys.claims(worker), b"\xff garbage", b"no token")  # type: ignore[arg-type]
    scene.client.hset(scene.keys.claims(worker), b"more", b"a:b:c:default")  # type: ignore[arg-type]

    async def gone(reaper: Reaper, _: NodeStore) -> None:
        await reaper.worker_gone(worker)

    assert scene.run(gone).reclaimed == 1
    assert scene.driver.order() == [1]


@pytest.mark.parametrize("node", [OURS, BEFORE], ids=["this run", "an earlier run"])
def test_a_dead_process_of_this_daemon_is_reaped_at_once(scene: Scene, node: NodeName) -> None:
    scene.lease(OURS, 60)
    scene.lease(node, 60)
    worker = scene.worker(node)
    scene.holds(worker, 1)
    assert scene.run(reap_processes).reclaimed == 1
    assert scene.driver.order() == [1]
    assert not scene.may_claim(worker, node)


@pytest.mark.parametrize("node", [OURS, BEFORE], ids=["this run", "an earlier run"])
def test_a_living_process_keeps_what_it_holds(scene: Scene, node: NodeName) -> None:
    scene.lease(node, 60)
    worker = scene.worker(node, living=True)
    scene.holds(worker, 1)
    assert scene.run(reap_processes).reclaimed == 0
    assert scene.may_claim(worker, node)
    assert str(node) in scene.leases()


@pytest.mark.parametrize("node", [ELSEWHERE, STRANGER], ids=["another host", "another daemon"])
def test_pids_of_others_are_not_judged(scene: Scene, node: NodeName) -> None:
    scene.lease(node, 60)
    worker = scene.worker(node)
    scene.holds(worker, 1)
    assert scene.run(reap_processes).reclaimed == 0
    assert scene.may_claim(worker, node)


def test_an_earlier_run_is_forgotten_once_nobody_of_it_is_left(scene: Scene) -> None:
    scene.lease(OURS, 60)
    scene.lease(BEFORE, 60)
    scene.worker(BEFORE, "w1")
    scene.worker(BEFORE, "w2", living=True)
    scene.run(reap_processes)
    assert set(scene.leases()) == {str(OURS), str(BEFORE)}, "one of it lives"
    scene.client.delete(scene.keys.workers(str(BEFORE)))
    scene.run(reap_processes)
    assert set(scene.leases()) == {str(OURS)}


def test_a_node_without_a_lease_loses_everything(grown_up: Scene) -> None:
    scene = grown_up
    scene.lease(ELSEWHERE, -1)
    scene.lease(STRANGER, 60)
    workers = [scene.worker(ELSEWHERE, f"w{n}") for n in range(3)]
    for number, worker in enumerate(workers):
        scene.holds(worker, number)
    spared = scene.worker(STRANGER)
    scene.holds(spared, 9)
    assert scene.run(reap_nodes).reclaimed == 3
    assert sorted(scene.driver.order()) == [0, 1, 2]
    assert set(scene.leases()) == {str(STRANGER)}
    assert scene.may_claim(spared, STRANGER)


def test_our_own_expired_lease_is_not_our_death(grown_up: Scene) -> None:
    scene = grown_up
    scene.lease(OURS, -60)
    worker = scene.worker(OURS, living=True)
    assert scene.run(reap_nodes).reclaimed == 0
    assert scene.may_claim(worker, OURS)


def test_within_a_lease_of_its_start_redis_declares_nobody_dead(scene: Scene) -> None:
    uptime = int(scene.client.info("server")["uptime_in_seconds"])
    scene.lease(ELSEWHERE, -60)
    worker = scene.worker(ELSEWHERE)
    scene.holds(worker, 1)

    async def reap(reaper: Reaper, _: NodeStore) -> None:
        await reaper.reap_nodes(uptime + 60.0)

    assert scene.run(reap).reclaimed == 0
    assert scene.may_claim(worker, ELSEWHERE)


def test_what_a_keeper_fenced_before_it_died_is_taken_back_by_the_next(scene: Scene) -> None:
    worker = scene.worker(ELSEWHERE)
    scene.holds(worker, 1, 2)
    scene.driver.fence(worker, node=str(ELSEWHERE))
    assert scene.lost() == {worker}
    assert scene.run(reap_lost).reclaimed == 2
    assert scene.lost() == set()
    assert scene.driver.order() == [1, 2]


def test_a_claim_that_comes_late_is_refused(scene: Scene) -> None:
    scene.driver.hire("late", node="node")
    scene.driver.enqueue(1)

    async def gone(reaper: Reaper, store: NodeStore) -> None:
        await store.fence("node", ["late"])
        await reaper.reap_lost()

    scene.run(gone)
    assert scene.driver.claim(worker="late").fenced
    assert scene.driver.order() == [1]


def test_a_settlement_that_comes_late_changes_nothing(scene: Scene) -> None:
    from tests.support.store_driver import complete

    scene.driver.hire("late", node="node")
    scene.driver.enqueue(1)
    (claim,) = scene.driver.claim(worker="late").claims

    async def gone(reaper: Reaper, store: NodeStore) -> None:
        await store.fence("node", ["late"])
        await reaper.reap_lost()

    scene.run(gone)
    assert scene.driver.settle(complete(claim), worker="late") == [identity(1)]
    assert scene.driver.order() == [1]


@pytest.mark.parametrize("key", ["nodes", "lost", "workers"])
def test_names_that_are_no_text_do_not_keep_the_others(grown_up: Scene, key: str) -> None:
    """Somebody else's bytes among the names: the dead are still taken back."""
    scene = grown_up
    scene.lease(ELSEWHERE, -1)
    worker = scene.worker(ELSEWHERE)
    scene.holds(worker, 1)
    if key == "nodes":
        scene.client.zadd(scene.keys.nodes, {b"\xff\xfe": 1})
    elif key == "lost":
        scene.client.sadd(scene.keys.lost, b"\xff\xfe")
    else:
        scene.client.sadd(scene.keys.workers(str(ELSEWHERE)), b"\xff\xfe")
    scene.run(reap_lost)
    scene.run(reap_processes)
    assert scene.run(reap_nodes).reclaimed == 1


def test_what_redis_interrupted_is_taken_back_by_the_next_round(grown_up: Scene) -> None:
    scene = grown_up
    scene.lease(ELSEWHERE, -1)
    worker = scene.worker(ELSEWHERE)
    scene.holds(worker, 1, 2)
    with CuttingProxy(scene.socket) as proxy:

        async def twice(reaper: Reaper, _: NodeStore) -> None:
            proxy.cut_after_request(b"HGETALL")
            with pytest.raises(StoreUnavailable):
                await reaper.reap_nodes(LEASE_S)
            assert reaper.reclaimed == 0
            await reaper.reap_nodes(LEASE_S)

        assert scene.run(twice, proxy.url).reclaimed == 2
    assert sorted(scene.driver.order()) == [1, 2]
