"""The scripts publish and fire: schedules in Redis, each slot once, whoever fires it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.store_driver import StoreDriver, complete, identity, numbers, tokens
from tqd.errors import StoreFull, StoreMismatch
from tqd.schedule.entry import CatchUp, Entry
from tqd.store import cron_table
from tqd.store.calls import NewTask, note_answer, store_new
from tqd.store.cron_table import Fired, Row
from tqd.task.uniqueness import UniqueKey
from tqd.wire.cron_entry import decode_entry

APP = "shop:tq"
BEGIN = 1_000_000


def entry(name: str = "n", spec: str = "every 1s", queue: str = "default", held: bytes = b"") -> Entry:
    return Entry(name=name, task="task", queue=queue, spec=spec, kwargs={"a": [1]}, held=held)


class Crons:
    """Publishes and fires over the driver's connection."""

    def __init__(self, driver: StoreDriver) -> None:
        self.driver = driver
        self.keys = driver.keys
        self.number = 0

    def publish(self, *entries: Entry, app: str = APP, started_ms: int | None = None) -> int:
        now_ms = self.driver.now_ms
        started_ms = now_ms if started_ms is None else started_ms
        return int(self.driver.run(cron_table.publish_call(self.keys, app, started_ms, now_ms, entries)))

    def rows(self) -> dict[str, Row]:
        client = self.driver.client
        rows = cron_table.rows_of(client.hgetall(self.keys.cron), client.hgetall(self.keys.cron_last))  # type: ignore[arg-type]
        return {row.name: row for row in rows}

    def fire(self, *slots: int, name: str = "n", value: bytes | None = None, queue: str = "default") -> Fired:
        """Fire slots; each gets a new id."""
        firings = []
        for slot in slots:
            self.number += 1
            firings.append((slot, identity(self.number), b"payload %d" % self.number))
        known = self.rows()[name].value if value is None else value
        held = decode_entry(name, known)[1].held
        return Fired(*self.driver.run(cron_table.fire_call(self.keys, name, known, queue, firings, held)))


@pytest.fixture
def crons(driver: StoreDriver) -> Crons:
    return Crons(driver)


def names(rows: Sequence[Row]) -> list[str]:
    return [row.name for row in rows]


# -- publish --------------------------------------------------------------------------------------


def test_what_is_published_is_read_back(crons: Crons) -> None:
    other = Entry(name="m", task="t", queue="q", spec="0 3 * * *", tz="Europe/Vienna", catch_up=CatchUp.ALL)
    assert crons.publish(entry(), other) == 2
    rows = crons.rows()
    assert (rows["n"].entry, rows["n"].app) == (entry_as_read(entry()), APP)
    assert (rows["m"].entry, rows["m"].problem) == (entry_as_read(other), "")


def entry_as_read(one: Entry) -> Entry:
    return Entry(
        name=one.name, task=one.task, queue=one.queue, spec=one.spec, tz=one.tz, catch_up=one.catch_up,
        args=list(one.args), kwargs=dict(one.kwargs),
    )  # fmt: skip


def test_a_new_schedule_begins_now_and_has_fired_nothing(crons: Crons) -> None:
    crons.publish(entry())
    row = crons.rows()["n"]
    assert (row.last_ms, row.fired) == (BEGIN, False)
    assert crons.fire(BEGIN - 1000, BEGIN).stored == 0
    assert crons.fire(BEGIN + 1000).stored == 1


def test_publishing_again_changes_nothing(crons: Crons) -> None:
    crons.publish(entry(), started_ms=5)
    crons.fire(BEGIN + 1000)
    before = crons.driver.snapshot()
    crons.driver.now_ms += 60_000
    assert crons.publish(entry(), started_ms=5) == 1
    assert crons.driver.snapshot() == before


def test_a_schedule_whose_slots_change_begins_anew_and_never_earlier(crons: Crons) -> None:
    crons.publish(entry())
    crons.fire(BEGIN + 9000)  # by a keeper whose clock was ahead
    crons.driver.now_ms += 5000
    crons.publish(entry(spec="every 2s"))
    assert crons.rows()["n"].last_ms == BEGIN + 9000
    crons.driver.now_ms += 5000
    crons.publish(entry(spec="every 3s"))
    assert (crons.rows()["n"].last_ms, crons.rows()["n"].fired) == (BEGIN + 10_000, False)


def test_what_an_app_declares_no_more_is_gone_and_other_apps_keep_theirs(crons: Crons) -> None:
    crons.publish(entry("a"), entry("b"))
    crons.publish(entry("c"), app="other:tq")
    crons.publish(entry("b"))
    assert set(crons.rows()) == {"b", "c"}
    crons.publish()
    assert set(crons.rows()) == {"c"}
    assert crons.driver.client.hkeys(crons.keys.cron_last) == [b"c"]


def test_an_app_whose_name_begins_like_another_is_another(crons: Crons) -> None:
    crons.publish(entry("a"), app="shop:tq2")
    crons.publish(entry("b"), app="shop:tq")
    assert set(crons.rows()) == {"a", "b"}


def test_older_code_is_not_heard(crons: Crons) -> None:
    assert crons.publish(entry("new"), started_ms=BEGIN - 10) == 1
    before = crons.driver.snapshot()
    assert crons.publish(entry("old"), started_ms=BEGIN - 20) == -1
    assert crons.driver.snapshot() == before
    assert crons.publish(entry("newer"), started_ms=BEGIN - 5) == 1
    assert set(crons.rows()) == {"newer"}


def test_code_from_the_future_of_a_clock_that_was_wrong_does_not_keep_others_out(crons: Crons) -> None:
    crons.driver.now_ms += 3_600_000
    crons.publish(entry("wrong"))
    crons.driver.now_ms -= 3_600_000
    assert crons.publish(entry("right")) == 1
    assert set(crons.rows()) == {"right"}


@pytest.mark.parametrize("key", ["cron", "cron_last", "cron_apps"])
def test_a_key_of_another_kind_fails_before_anything_is_published(crons: Crons, key: str) -> None:
    crons.driver.client.set(getattr(crons.keys, key), "garbage")
    before = crons.driver.snapshot()
    with pytest.raises(StoreMismatch):
        crons.publish(entry())
    assert crons.driver.snapshot() == before


def test_a_full_redis_publishes_nothing_and_says_so(crons: Crons) -> None:
    crons.driver.fill()
    with pytest.raises(StoreFull):
        crons.publish(entry())
    assert crons.rows() == {}


# -- fire -----------------------------------------------------------------------------------------


def test_a_fired_task_is_ready_like_any_other(crons: Crons) -> None:
    crons.publish(entry())
    assert crons.fire(BEGIN + 1000) == Fired(1, BEGIN + 1000, 0)
    driver = crons.driver
    assert (driver.places(), driver.rings()) == ({1: "ready:default"}, 1)
    assert crons.rows()["n"].fired
    claimed = driver.claim()
    assert (numbers(claimed), tokens(claimed)) == ([1], [b"1:0:0:default"])
    assert driver.settle(complete(claimed.claims[0])) == []
    assert driver.places() == {}


def test_two_keepers_fire_each_slot_once(crons: Crons) -> None:
    crons.publish(entry())
    one, two = BEGIN + 1000, BEGIN + 2000
    assert crons.fire(one).stored == 1
    assert crons.fire(one) == Fired(0, one, 0)
    # The other one knows of more slots, then of fewer.
    assert crons.fire(one, two) == Fired(1, two, 0)
    assert crons.fire(one) == Fired(0, two, 0)
    assert len(crons.driver.places()) == 2


def test_a_call_that_is_repeated_changes_nothing(crons: Crons) -> None:
    crons.publish(entry())
    value = crons.rows()["n"].value
    call = cron_table.fire_call(
        crons.keys,
        "n",
        value,
        "default",
        [(BEGIN + 1000, identity(1), b"x"), (BEGIN + 2000, identity(2), b"y")],
    )
    assert Fired(*crons.driver.run(call)) == Fired(2, BEGIN + 2000, 0)
    before = crons.driver.snapshot()
    assert Fired(*crons.driver.run(call)) == Fired(0, BEGIN + 2000, 0)
    assert crons.driver.snapshot() == before


def test_several_slots_are_in_the_queue_in_their_order(crons: Crons) -> None:
    crons.publish(entry())
    assert crons.fire(*(BEGIN + 1000 * n for n in range(1, 1001))).stored == 1000
    assert crons.driver.order() == list(range(1, 1001))


def test_a_slot_is_not_fired_before_its_time_by_the_clock_of_redis(crons: Crons) -> None:
    crons.publish(entry())
    seconds, _ = crons.driver.client.time()
    fired = crons.fire(BEGIN + 1000, (seconds + 60) * 1000)
    assert (fired.stored, fired.last_ms) == (0, BEGIN)
    assert 55_000 < fired.early_ms <= 60_000
    assert crons.driver.places() == {}


@pytest.mark.parametrize("what", ["gone", "another"])
def test_a_schedule_that_is_gone_or_another_is_not_fired(crons: Crons, what: str) -> None:
    crons.publish(entry())
    known = crons.rows()["n"].value
    crons.publish(*([] if what == "gone" else [entry(queue="other")]))
    assert crons.fire(BEGIN + 1000, value=known).changed
    assert crons.driver.places() == {}


@pytest.mark.parametrize("key", ["cron_last", "task", "ready"])
def test_a_key_of_another_kind_fails_before_anything_is_fired(crons: Crons, key: str) -> None:
    crons.publish(entry())
    value = crons.rows()["n"].value
    name = crons.keys.ready("default") if key == "ready" else getattr(crons.keys, key)
    crons.driver.client.delete(name)
    crons.driver.client.set(name, "garbage")
    before = crons.driver.snapshot()
    with pytest.raises(StoreMismatch):
        crons.fire(BEGIN + 1000, value=value)
    assert crons.driver.snapshot() == before


def test_a_full_redis_fires_nothing_and_says_so(crons: Crons) -> None:
    crons.publish(entry())
    before = crons.driver.snapshot()
    crons.driver.fill()
    with pytest.raises(StoreFull):
        crons.fire(BEGIN + 1000)
    crons.driver.fill(False)
    assert crons.driver.snapshot() == before
    assert crons.fire(BEGIN + 1000).stored == 1


def test_garbage_about_the_last_slot_counts_as_none(crons: Crons) -> None:
    crons.publish(entry())
    crons.driver.client.hset(crons.keys.cron_last, "n", "garbage")
    assert crons.rows()["n"].last_ms == 0
    assert crons.fire(BEGIN + 1000).stored == 1
    crons.publish(entry())
    assert crons.rows()["n"].last_ms >= BEGIN


def test_what_is_no_schedule_is_told_and_the_others_are_read(crons: Crons) -> None:
    crons.publish(entry())
    for name, value in {"x": b"", "y": b"app\n\xc1", "z": b"app\n\x92\x07\x01"}.items():
        crons.driver.client.hset(crons.keys.cron, name, value)
    rows = crons.rows()
    assert rows["n"].entry is not None
    assert [rows[name].entry for name in "xyz"] == [None, None, None]
    assert "no app" in rows["x"].problem
    assert "newer" in rows["z"].problem or "version 7" in rows["z"].problem


# -- unique tasks ---------------------------------------------------------------------------------

KEY = b"dtask\0=k"


def test_while_the_key_is_taken_slots_pass_without_a_task(crons: Crons) -> None:
    crons.publish(entry(held=KEY))
    assert crons.fire(BEGIN + 1000, BEGIN + 2000) == Fired(1, BEGIN + 2000, 0)
    assert crons.fire(BEGIN + 3000) == Fired(0, BEGIN + 3000, 0)
    driver = crons.driver
    assert driver.places() == {1: "ready:default"}
    claimed = driver.claim()
    assert tokens(claimed) == [b"2:0:0:default"]
    assert crons.fire(BEGIN + 4000) == Fired(0, BEGIN + 4000, 0)
    assert driver.settle(complete(claimed.claims[0])) == []
    assert crons.fire(BEGIN + 5000) == Fired(1, BEGIN + 5000, 0)
    assert len(driver.places()) == 1
    assert driver.client.hlen(crons.keys.unique) == driver.client.hlen(crons.keys.keyed) == 1


def test_a_key_that_is_held_until_the_start_is_free_then(crons: Crons) -> None:
    crons.publish(entry(held=b"s" + KEY[1:]))
    crons.fire(BEGIN + 1000)
    assert crons.fire(BEGIN + 2000).stored == 0
    (claim,) = crons.driver.claim().claims
    assert crons.fire(BEGIN + 3000).stored == 1
    assert crons.driver.settle(complete(claim)) == []
    assert crons.fire(BEGIN + 4000).stored == 0


def test_a_key_of_a_task_that_was_enqueued_counts_and_the_other_way_round(crons: Crons) -> None:
    crons.publish(entry(held=KEY))
    driver = crons.driver

    def enqueue(number: int) -> UniqueKey:
        task = NewTask(identity(number), "default", b"x", unique=UniqueKey.of(KEY))
        note_answer([task], driver.run(store_new(crons.keys, f"p{number}", 1, [task])))
        assert task.unique is not None
        return task.unique

    assert not enqueue(100).duplicate
    assert crons.fire(BEGIN + 1000).stored == 0
    assert driver.settle(complete(driver.claim().claims[0])) == []
    assert crons.fire(BEGIN + 2000).stored == 1
    other = enqueue(101)
    assert (other.duplicate, other.stored_id) == (True, identity(crons.number))


@pytest.mark.parametrize("key", ["attempts", "unique", "keyed"])
def test_a_key_of_unique_tasks_of_another_kind_fails_before_anything_is_fired(crons: Crons, key: str) -> None:
    crons.publish(entry(held=KEY))
    crons.driver.client.set(getattr(crons.keys, key), "garbage")
    before = crons.driver.snapshot()
    with pytest.raises(StoreMismatch):
        crons.fire(BEGIN + 1000)
    assert crons.driver.snapshot() == before


# -- bounded queues -------------------------------------------------------------------------------


def test_a_full_queue_takes_what_it_has_room_for_and_the_rest_later(crons: Crons) -> None:
    crons.publish(entry())
    driver = crons.driver
    driver.enqueue(1, due_ms=driver.now_ms + 60_000)
    crons.number = 1
    driver.client.hset(crons.keys.limits, "default", "3:0:0:0")
    slots = [BEGIN + 1000 * n for n in range(1, 5)]
    assert crons.fire(*slots) == Fired(2, slots[1], 0, 3, 3)
    before = driver.snapshot()
    assert crons.fire(*slots) == Fired(0, slots[1], 0, 3, 3)
    assert driver.snapshot() == before
    assert crons.fire(slots[1]) == Fired(0, slots[1], 0), "it has been fired"
    driver.settle(*(complete(claim) for claim in driver.claim().claims))
    assert crons.fire(*slots) == Fired(2, slots[3], 0)
    assert len(driver.places()) == 3
