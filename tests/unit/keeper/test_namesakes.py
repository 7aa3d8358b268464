"""Whose lease says that two daemons have one name."""

from __future__ import annotations

import asyncio
import io

import pytest

from tqd.keeper.namesakes import EVERY, LOOKS_IN_ALL, Namesakes, renewed
from tqd.log import Log
from tqd.task.names import NodeName

OURS = NodeName("shop", "host", "run2")
SAME = str(NodeName("shop", "other", "run1"))
STRANGER = str(NodeName("bakery", "host", "run1"))


@pytest.mark.parametrize("name", [str(OURS), STRANGER, "shop", ""])
def test_only_another_run_of_this_name_counts(name: str) -> None:
    assert renewed(OURS, {name: 1.0}, {name: 2.0}) == []
    assert renewed(OURS, {name: 1.0, SAME: 1.0}, {name: 2.0, SAME: 2.0}) == [SAME]


@pytest.mark.parametrize("before", [{}, {SAME: 2.0}, {SAME: 3.0}])
def test_a_lease_that_was_not_renewed_is_a_predecessors(before: dict[str, float]) -> None:
    assert renewed(OURS, before, {SAME: 2.0}) == []


class Leases:
    def __init__(self, *looks: dict[str, float]) -> None:
        self.looks = list(looks)

    async def leases(self) -> dict[str, float]:
        return self.looks.pop(0)


def look(*ends: float) -> None:
    leases = Leases(*({SAME: end} for end in ends))
    namesakes = Namesakes(leases, OURS, Log())
    for _ in range(EVERY * len(ends)):
        asyncio.run(namesakes.look())


def test_a_daemon_that_lives_on_is_told_once(said: io.StringIO) -> None:
    look(1, 2, 3, 4, 5, 6)
    assert said.getvalue().count("node.name is unique") == 1
    assert SAME in said.getvalue()


def test_a_predecessor_that_renews_for_the_last_time_after_our_start_is_not(said: io.StringIO) -> None:
    look(1, 2, 2, 2)
    assert said.getvalue() == ""


def test_a_keeper_that_has_looked_often_enough_asks_no_more() -> None:
    leases = Leases(*[{}] * LOOKS_IN_ALL)
    namesakes = Namesakes(leases, OURS, Log())
    for _ in range(EVERY * (LOOKS_IN_ALL + 3)):
        asyncio.run(namesakes.look())
    assert leases.looks == []
