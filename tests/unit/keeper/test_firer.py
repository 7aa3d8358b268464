"""The firer against a store of values: when it fires, what it does with answers and with garbage."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from tqd.clock import monotonic
from tqd.errors import StoreFull, StoreMismatch
from tqd.keeper.firer import REFUSED_S, Firer
from tqd.log import Log
from tqd.schedule.entry import CatchUp, Entry
from tqd.store.cron_table import Fired, Firing, Row, rows_of
from tqd.wire.cron_entry import encode_entry

T = TypeVar("T")
APP = "shop:tq"
BEGIN = 1_795_000_000_000
DAY_MS = 86_400_000


def done(call: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that never has to wait."""
    try:
        call.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


class Store:
    """Stands where Redis is: fires each slot once. `answers` come first."""

    def __init__(self, *entries: Entry, last_ms: int = BEGIN) -> None:
        self.now = BEGIN
        self.stamp = b"1"
        self.rows = [Row(one.name, encode_entry(APP, one), APP, one, "", last_ms, False) for one in entries]
        self.answers: list[Fired | Exception] = []
        self.fired: list[tuple[str, int]] = []
        self.reads = 0
        self.synchronised = 0

    def now_ms(self) -> int:
        return self.now

    async def synchronise(self) -> None:
        self.synchronised += 1

    async def declared(self, app: str) -> bytes | None:
        return self.stamp

    async def table(self) -> list[Row]:
        self.reads += 1
        return self.rows

    async def fire(self, row: Row, entry: Entry, firings: Sequence[Firing]) -> Fired:
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        self.fired += [(row.name, slot) for slot, _, _ in firings]
        return Fired(len(firings), firings[-1][0], 0)


def firer(store: Store, tick_s: float = 3600.0, max_tasks: int = 100) -> Firer:
    return Firer(store, APP, tick_s, max_tasks, Log(role="keeper"))  # type: ignore[arg-type]


def entry(spec: str = "every 10s", **more: Any) -> Entry:
    return Entry(name="n", task="t", queue="q", spec=spec, **more)


def test_it_sleeps_until_the_next_slot_and_fires_it_then() -> None:
    store = Store(entry())
    chosen = firer(store)
    wait_s = done(chosen.step())
    assert 9.9 < wait_s <= 10.001
    store.now += round(wait_s * 1000)
    wait_s = done(chosen.step())
    assert store.fired == [("n", BEGIN + 10_000)]
    assert 9.9 < wait_s <= 10.001
    assert store.reads == 1


def test_without_schedules_it_sleeps_until_it_looks_again() -> None:
    wait_s = done(firer(Store(), tick_s=5.0).step())
    assert 4.0 < wait_s <= 5.0


def test_the_table_is_read_again_only_when_something_was_published() -> None:
    store = Store(entry())
    chosen = firer(store, tick_s=0.0)
    for _ in range(3):
        done(chosen.step())
    assert store.reads == 1
    store.stamp = b"2"
    done(chosen.step())
    assert store.reads == 2


def test_a_schedule_that_has_changed_is_read_again_and_not_asked_for_in_a_hurry() -> None:
    store = Store(entry())
    chosen = firer(store)
    done(chosen.step())
    store.now += 10_000
    store.answers = [Fired(-1, 0, 0)] * 3
    for _ in range(3):
        assert done(chosen.step()) >= 0.05
    done(chosen.step())
    assert store.fired == [("n", BEGIN + 10_000)]
    assert store.reads == 4


def test_what_redis_calls_early_waits_and_the_clock_is_measured_when_it_is_far_off() -> None:
    store = Store(entry())
    chosen = firer(store)
    done(chosen.step())
    store.now += 10_000
    store.answers = [Fired(0, BEGIN, 3)]
    assert 0.0 < done(chosen.step()) <= 0.003
    assert store.synchronised == 0
    chosen._schedules["n"].wait_until = monotonic()
    store.answers = [Fired(0, BEGIN, 3_600_000)]
    assert 0.9 < done(chosen.step()) <= 1.0
    assert (store.synchronised, store.fired) == (1, [])


def test_what_redis_refuses_is_tried_again_later_and_others_go_on() -> None:
    store = Store(entry(), Entry(name="m", task="t", queue="q", spec="every 10s"))
    chosen = firer(store)
    done(chosen.step())
    store.now += 10_000
    store.answers = [StoreFull("full"), StoreMismatch("no list")]
    wait_s = done(chosen.step())
    assert REFUSED_S - 1 < wait_s <= REFUSED_S
    for schedule in chosen._schedules.values():
        schedule.wait_until = 0.0
    done(chosen.step())
    assert store.fired == [("n", BEGIN + 10_000), ("m", BEGIN + 10_000)]


def test_a_full_queue_is_tried_again_later() -> None:
    store = Store(entry())
    chosen = firer(store)
    done(chosen.step())
    store.now += 10_000
    store.answers = [Fired(0, BEGIN, 0, 5, 5)]
    assert REFUSED_S - 1 < done(chosen.step()) <= REFUSED_S
    chosen._schedules["n"].wait_until = 0.0
    done(chosen.step())
    assert store.fired == [("n", BEGIN + 10_000)]


def test_a_slot_that_another_keeper_has_fired_is_not_tried_again() -> None:
    store = Store(entry())
    chosen = firer(store)
    done(chosen.step())
    store.now += 10_000
    store.answers = [Fired(0, BEGIN + 30_000, 0)]
    assert done(chosen.step()) > 29
    store.now += 25_000
    done(chosen.step())
    assert store.fired == []


def test_after_an_outage_many_slots_go_in_several_steps_without_a_pause() -> None:
    store = Store(entry(catch_up=CatchUp.ALL, catch_up_limit=250))
    store.now += DAY_MS
    chosen = firer(store)
    waits = [done(chosen.step()) for _ in range(3)]
    assert [wait_s == 0.0 for wait_s in waits] == [True, True, False]
    slots = [slot for _, slot in store.fired]
    assert len(slots) == 250 and slots[-1] == store.now
    assert slots == sorted(set(slots))


def test_large_payloads_go_one_by_one() -> None:
    store = Store(entry(catch_up=CatchUp.ALL, args=["x" * 5_000_000]))
    store.now += 60_000
    chosen = firer(store)
    done(chosen.step())
    assert len(store.fired) == 1
    done(chosen.step())
    assert len(store.fired) == 2


def test_a_schedule_of_which_nothing_is_noted_begins_now() -> None:
    store = Store(entry(catch_up=CatchUp.ALL), last_ms=0)
    chosen = firer(store)
    done(chosen.step())
    assert store.fired == []
    store.now += 10_000
    done(chosen.step())
    assert store.fired == [("n", BEGIN + 10_000)]


# -- garbage --------------------------------------------------------------------------------------

specs = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["every 1s", "every 0s", "every 9" + "9" * 400 + "s", "* * * * *", "* * * * * *", "0 0 29 2 MON#5"]
    ),
    st.lists(st.text("*/-,#L0123456789W", min_size=1, max_size=6), min_size=5, max_size=6).map(" ".join),
)
zones = st.one_of(
    st.text(max_size=20), st.sampled_from(["UTC", "Europe/Vienna", "..", "/etc/passwd", "a\0b", "Etc"])
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
parts = st.tuples(
    st.sampled_from([1, 2, 0, None]), st.text(max_size=5), st.text(max_size=5), specs, zones,
    st.sampled_from([*CatchUp, "x"]).map(str), st.sampled_from([1, 100, 1000, 0, -1]),
    st.lists(values, max_size=3) | values, st.dictionaries(st.text(max_size=3), values, max_size=2) | values,
    st.sampled_from([b"", b"dt\0k", b"x", None]),
)  # fmt: skip
lasts = st.one_of(
    st.binary(max_size=20), st.integers(-(10**17), 10**17).map(lambda ms: b"%d:x" % ms),
    st.integers(BEGIN - DAY_MS, BEGIN + DAY_MS).map(lambda ms: b"%d" % ms),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(row=parts | values, last=lasts, later_ms=st.sampled_from([0, 1000, 5000, 61_000, 40 * DAY_MS]))
def test_no_garbage_under_the_keys_of_schedules_ends_the_keeper(
    row: object, last: bytes, later_ms: int
) -> None:
    value = APP.encode() + b"\n" + msgpack.packb(list(row) if isinstance(row, tuple) else row)
    good = encode_entry(APP, Entry(name="good", task="t", queue="q", spec="every 1s"))
    store = Store()
    store.rows = rows_of({b"bad": value, b"good": good}, {b"bad": last, b"good": b"%d:x" % BEGIN})
    chosen = firer(store)
    done(chosen.step())
    store.now += later_ms + 1000
    for _ in range(3):
        assert done(chosen.step()) >= 0.0
    assert "good" in {name for name, _ in store.fired}


def test_what_was_published_here_is_looked_at_without_waiting_for_the_next_look() -> None:
    store = Store()
    chosen = firer(store)
    assert done(chosen.step()) > 3000.0
    store.rows, store.stamp = Store(entry()).rows, b"2"
    chosen.look_soon()
    assert done(chosen.step()) <= 10.001
    assert store.reads == 2
