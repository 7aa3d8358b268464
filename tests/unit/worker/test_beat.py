"""When a worker beats."""

from __future__ import annotations

import pytest

from tqd.worker.beat import INTERVAL_S, PLACES, wait_s


@pytest.mark.parametrize("pid", [1, 2, 3, 4, 4_194_303])
@pytest.mark.parametrize("now", [0.0, 0.1, 0.25, 123.999, 86_400.5])
def test_a_wait_is_never_longer_than_a_beat_and_ends_at_the_process_own_place(now: float, pid: int) -> None:
    wait = wait_s(now, pid)
    assert 0 < wait <= INTERVAL_S
    place = (now + wait) % INTERVAL_S
    assert min(abs(place - pid % PLACES / PLACES), 1 - place) == pytest.approx(0, abs=1e-6)


def test_processes_of_one_place_beat_at_one_moment_and_others_at_another() -> None:
    moments = {pid: round((10.3 + wait_s(10.3, pid)) % 1, 6) for pid in range(8)}
    assert len(set(moments.values())) == PLACES
    assert all(moments[pid] == moments[pid + PLACES] for pid in range(4))
