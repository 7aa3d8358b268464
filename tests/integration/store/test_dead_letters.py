"""Finding, replaying and purging dead letters: the conversations, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.support.redis_server import RedisServer
from tests.support.store_driver import identity
from tqd.store import dead_letters
from tqd.store import talk as talking
from tqd.store.connection import Endpoint, SyncLink
from tqd.store.dead_letters import PAGE
from tqd.store.keys import Keys
from tqd.store.talk import Talk, lead
from tqd.task.pace import Pace
from tqd.wire.dead_letter import DeadFilter
from tqd.wire.envelope import encode_envelope
from tqd.wire.records import FailureRecord

T = TypeVar("T")

ALL = DeadFilter()
KEYS = Keys("test")


class Cemetery:
    """Dead letters written straight into Redis, and conversations about them."""

    def __init__(self, server: RedisServer) -> None:
        self.client = server.client
        self.link = SyncLink(Endpoint(server.url))

    def bury(
        self, number: int, ms: float, name: str = "pay", queue: str = "default", error: str = "ValueError"
    ) -> None:
        record = FailureRecord(
            task_id=identity(number), envelope=encode_envelope(name, [number], {}, queue, 1), reason="raised",
            errors=((error, "no", ""),), attempts=4, failed_ms=int(ms), worker="w",
        )  # fmt: skip
        self.client.zadd(KEYS.dead, {identity(number): ms})  # type: ignore[dict-item]
        self.client.hset(KEYS.failure, identity(number), record.encode())  # type: ignore[arg-type]

    def lead(self, talk: Talk[T]) -> T:
        return lead(self.link, talk)

    def find(self, which: DeadFilter = ALL, limit: int = 1000) -> list[int]:
        return [int(one.id, 16) for one in self.lead(dead_letters.find(KEYS, which, limit)).letters]

    def replay(self, chosen: DeadFilter | list[bytes] = ALL, **options: object) -> dead_letters.Swept:
        pace = Pace(options.pop("rate", None))  # type: ignore[arg-type]
        return self.lead(dead_letters.replay(KEYS, chosen, "run", pace, **options))  # type: ignore[arg-type]

    def order(self, queue: str = "default") -> list[int]:
        return [int.from_bytes(one, "big") for one in self.client.lrange(KEYS.ready(queue), 0, -1)]  # type: ignore[union-attr]

    def left(self) -> list[int]:
        return [int.from_bytes(one, "big") for one in self.client.zrange(KEYS.dead, 0, -1)]  # type: ignore[union-attr]

    def now_ms(self) -> int:
        seconds, micros = self.client.time()  # type: ignore[misc]
        return int(seconds) * 1000 + int(micros) // 1000


@pytest.fixture
def cemetery(every_engine: RedisServer) -> Cemetery:
    return Cemetery(every_engine)


# -- finding --------------------------------------------------------------------------------------


def test_nothing_is_found_where_nothing_is(cemetery: Cemetery) -> None:
    assert cemetery.find() == []
    assert cemetery.lead(dead_letters.total(KEYS)) == 0
    assert cemetery.lead(dead_letters.get(KEYS, identity(1))) is None


@pytest.mark.parametrize("moment", [lambda n: 1000 + n, lambda n: 1000, lambda n: 1000 + n // 70])
def test_all_are_found_once_over_many_pages_however_many_died_together(
    cemetery: Cemetery, moment: Callable[[int], int]
) -> None:
    count = 3 * PAGE + 7
    for number in range(count):
        cemetery.bury(number, moment(number))
    assert sorted(cemetery.find()) == list(range(count))
    swept = cemetery.replay()
    assert (swept.matched, swept.done) == (count, count)
    assert sorted(cemetery.order()) == list(range(count))


def test_the_newest_come_first_and_no_more_than_were_asked_for(cemetery: Cemetery) -> None:
    for number in range(5):
        cemetery.bury(number, 1000 + number)
    assert cemetery.find(limit=2) == [4, 3]
    assert cemetery.lead(dead_letters.find(KEYS, ALL, 2)).more is True
    assert cemetery.lead(dead_letters.find(KEYS, ALL, 5)).more is False


def test_a_search_ends_after_so_many_letters_and_says_so(
    cemetery: Cemetery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "SEARCH_LIMIT", PAGE)
    for number in range(PAGE + 10):
        cemetery.bury(number, 1000 + number, name="old" if number < 10 else "new")
    found = cemetery.lead(dead_letters.find(KEYS, DeadFilter(name="old"), 5))
    assert (found.letters, found.more) == ([], True)


def test_filters_narrow_the_search_also_by_age(cemetery: Cemetery) -> None:
    now_ms = cemetery.now_ms()
    cemetery.bury(1, now_ms - 3_600_000)
    cemetery.bury(2, now_ms - 60_000, name="mail", error="smtp.Refused")
    cemetery.bury(3, now_ms - 1000, queue="low")
    assert cemetery.find(DeadFilter(name="p*")) == [3, 1]
    assert cemetery.find(DeadFilter(queue="low")) == [3]
    assert cemetery.find(DeadFilter(error="Refused")) == [2]
    assert cemetery.find(DeadFilter(older_than_s=30)) == [2, 1]
    assert cemetery.find(DeadFilter(newer_than_s=600)) == [3, 2]
    assert cemetery.find(DeadFilter(older_than_s=30, newer_than_s=600)) == [2]
    assert cemetery.find(DeadFilter(older_than_s=7200)) == []


def test_letters_nobody_can_read_are_found_and_are_purged_but_not_replayed(cemetery: Cemetery) -> None:
    cemetery.bury(1, 1000)
    cemetery.client.hset(KEYS.failure, identity(1), b"\xc1")  # type: ignore[arg-type]
    cemetery.client.zadd(KEYS.dead, {identity(2): "inf", identity(3): -7.5, b"no id": 4})  # type: ignore[dict-item]
    assert len(cemetery.lead(dead_letters.find(KEYS, ALL, 10)).letters) == 4
    swept = cemetery.replay()
    assert (swept.matched, swept.done, len(swept.skipped)) == (4, 0, 4)
    assert all("its record" in reason for _, reason in swept.skipped)
    swept = cemetery.lead(dead_letters.purge(KEYS, ALL))
    assert (swept.matched, swept.done) == (4, 4)
    assert not cemetery.client.exists(KEYS.dead) and not cemetery.client.exists(KEYS.failure)


# -- replaying ------------------------------------------------------------------------------------


def test_the_oldest_go_first_each_into_its_own_queue(cemetery: Cemetery) -> None:
    for number in range(6):
        cemetery.bury(number, 1000 - number, queue="low" if number % 2 else "default")
    swept = cemetery.replay()
    assert cemetery.order() == [4, 2, 0]
    assert cemetery.order("low") == [5, 3, 1]
    assert (swept.by_name, cemetery.left()) == ({"pay": 6}, [])


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(cemetery: Cemetery) -> None:
    cemetery.bury(1, 1000)
    cemetery.bury(2, 1001, name="mail")
    swept = cemetery.replay(dry_run=True)
    assert (swept.matched, swept.done, swept.by_name) == (2, 2, {"pay": 1, "mail": 1})
    purged = cemetery.lead(dead_letters.purge(KEYS, ALL, dry_run=True))
    assert (purged.matched, purged.done) == (2, 2)
    assert cemetery.left() == [1, 2]


def test_a_limit_takes_the_oldest(cemetery: Cemetery) -> None:
    for number in range(10):
        cemetery.bury(number, 1000 + number, name="pay" if number % 2 else "mail")
    assert cemetery.replay(DeadFilter(name="pay"), limit=2).done == 2
    assert cemetery.order() == [1, 3]
    assert cemetery.lead(dead_letters.purge(KEYS, ALL, limit=3)).done == 3
    assert cemetery.left() == [5, 6, 7, 8, 9]


def test_chosen_ids_are_replayed_and_those_that_are_no_letters_are_named(cemetery: Cemetery) -> None:
    cemetery.bury(1, 1000)
    cemetery.bury(2, 1001)
    swept = cemetery.replay([identity(9), identity(2), identity(2)])
    assert (swept.done, swept.missing) == (1, [identity(9).hex()])
    assert (cemetery.order(), cemetery.left()) == ([2], [1])


def test_what_dies_while_a_replay_runs_is_left_for_the_next_one(cemetery: Cemetery) -> None:
    for number in range(PAGE + 1):
        cemetery.bury(number, 1000 + number)

    def die(_: dead_letters.Swept) -> None:
        cemetery.bury(100, cemetery.now_ms())

    swept = cemetery.replay(on_page=die)
    assert (swept.done, cemetery.left()) == (PAGE + 1, [100])


def test_a_letter_that_goes_while_a_replay_runs_is_skipped(cemetery: Cemetery) -> None:
    cemetery.bury(1, 1000)
    cemetery.bury(2, 1001, queue="low")

    def purge(_: dead_letters.Swept) -> None:
        cemetery.client.zrem(KEYS.dead, identity(2))

    swept = cemetery.replay(on_page=purge)
    assert (swept.matched, swept.done) == (2, 1)
    assert swept.skipped == [(identity(2).hex(), "it was replayed or removed meanwhile")]


def test_a_rate_is_kept_by_pauses(cemetery: Cemetery, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    clock = [0.0]

    def pause(seconds: float) -> None:
        paused.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(talking, "pause", pause)
    monkeypatch.setattr(dead_letters, "monotonic", lambda: clock[0])
    for number in range(41):
        cemetery.bury(number, 1000 + number)
    assert cemetery.replay(rate=20.0).done == 41
    assert paused == pytest.approx([0.1] * 20)
