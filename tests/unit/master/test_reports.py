"""What the children report: what is counted, what is kept, and which events the fleet gets."""

from __future__ import annotations

import mmap
import os
from dataclasses import replace
from typing import Any

import pytest

from tests.support.fleet_world import World
from tests.unit.master.builders import beat, keeper_beat
from tqd.clock import monotonic
from tqd.log import Log
from tqd.master.crew import Member
from tqd.master.events import BecameReady, BootFailed, Event, HardLimitSet, Heard, Weighed
from tqd.master.journal import Journal
from tqd.master.plan import Limits
from tqd.master.reports import MOST_TOGETHER, PSS_CLOSE, PSS_EVERY_S, Reports
from tqd.master.seats import KEEPER
from tqd.metrics.ledger import FAILED, LEDGER_BYTES, Ledger
from tqd.system.fork import Child
from tqd.system.usage import ProcessMemory
from tqd.wire.messages import Blocked, Failed, HardDeadline, Message, Ready, Remember, Sampled

SEAT = "worker-1"
POLICY = [3.0, 1.0, 60.0, 0.0]


class Case:
    """Reports of one worker, whose pid is this process's. `events` is what the fleet got."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:
        self.world = world = World(1)
        world.fleet.wanted.plan = replace(world.plan, limits=Limits(**limits))
        self.events: list[Event] = []
        self.journal = Journal(Log(), lambda: "now")
        self.reports = Reports(world.fleet, self.journal, self.events.append, ("default",))
        memory = mmap.mmap(-1, LEDGER_BYTES)
        self.page = Ledger(memory).page("mail", "default")
        child = Child(os.getpid(), -1, -1, -1, -1, memory)
        self.member = Member(SEAT, child, "name", monotonic() - 100)
        self.readings = 0
        monkeypatch.setattr(ProcessMemory, "pss_bytes", lambda usage, pid: self._pss(pid))

    def _pss(self, pid: int) -> int:
        assert pid == os.getpid()
        self.readings += 1
        return 500

    @property
    def owed(self) -> float | None:
        return self.reports.depths.asked_at

    def take(self, message: Message) -> list[Event]:
        """Take in a message; returns the events that it makes."""
        before = len(self.events)
        self.reports.take(self.member, message)
        return self.events[before:]


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(monkeypatch)


# -- beats ----------------------------------------------------------------------------------------


def test_a_beat_is_counted_kept_and_heard(case: Case) -> None:
    began = monotonic()
    for _ in range(5):
        case.page.done(0.1)
    assert case.take(beat(busy=2, done=5, claiming=False)) == [Heard(SEAT, 2, 5, False)]
    for _ in range(3):
        case.page.done(0.1)
    case.page.add(FAILED)
    last = beat(busy=1, done=8, failed=1)
    assert case.take(last) == [Heard(SEAT, 1, 8, True)]
    assert (case.reports.totals.done, case.reports.totals.failed) == (8, 1)
    assert case.member.beat is last and case.member.beat_at >= began
    assert case.reports.totals.rate.per_s() is not None and case.member.rate.per_s() is not None


def test_a_keepers_beat_is_counted_kept_and_heard(case: Case) -> None:
    began = monotonic()
    for reclaimed in (2, 5):
        assert case.take(keeper_beat(reclaimed)) == [Heard(SEAT)]
    assert case.reports.totals.reclaimed == 5
    assert case.member.keeper_beat == keeper_beat(5) and case.member.beat_at >= began


# -- memory ---------------------------------------------------------------------------------------


def test_without_limits_memory_is_read_now_and_then_and_nobody_is_weighed(case: Case) -> None:
    case.member.pss_at = monotonic()
    assert case.take(beat()) == [Heard(SEAT)]
    assert (case.readings, case.member.pss_bytes) == (0, None)
    case.member.pss_at -= PSS_EVERY_S
    assert case.take(beat()) == [Heard(SEAT)]
    assert (case.readings, case.member.pss_bytes) == (1, 500)
    case.take(beat())
    assert case.readings == 1, "it was read a moment ago"


def test_with_a_limit_of_rss_each_beat_is_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, max_rss_bytes=2000)
    case.member.pss_at = monotonic()
    assert case.take(beat(rss_bytes=1500))[1:] == [Weighed(SEAT, 1500, None)]
    assert case.readings == 0


def test_with_a_limit_of_pss_only_fresh_readings_are_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, max_pss_bytes=2000)
    far, close = round(PSS_CLOSE * 2000), round(PSS_CLOSE * 2000) + 1
    assert case.take(beat(rss_bytes=far))[1:] == [Weighed(SEAT, far, 500)]
    assert case.take(beat(rss_bytes=far))[1:] == [], "PSS was read a moment ago"
    for readings in (2, 3):
        assert case.take(beat(rss_bytes=close))[1:] == [Weighed(SEAT, close, 500)]
        assert case.readings == readings


def crew(*pids: int) -> list[Member]:
    return [Member(SEAT, Child(pid, -1, -1, -1, -1), "name", monotonic()) for pid in pids]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pids whose memory was read, each of 500 bytes of 2000."""
    pids: list[int] = []
    monkeypatch.setattr(ProcessMemory, "pss_bytes", lambda usage, pid: pids.append(pid) or 500)
    monkeypatch.setattr(ProcessMemory, "rss_bytes", lambda usage, pid: 2000)
    return pids


def test_who_comes_becomes_ready_or_leaves_has_all_weighed_anew(case: Case, read: list[int]) -> None:
    first, second = crew(1, 2)
    for members, expected in (([first], [1]), ([first, second], [1, 2]), ([second], [2]), ([second], [])):
        read.clear()
        case.reports.weigh(members, monotonic())
        assert sorted(read) == expected
    case.world.fleet.seats[SEAT].ready_at = 1.0
    case.reports.weigh([second], monotonic())
    assert read == [2]


def test_in_a_crew_that_stays_only_who_has_changed_is_weighed_anew(case: Case, read: list[int]) -> None:
    members = crew(1, 2, 3)
    case.reports.weigh(members, 10.0)
    read.clear()
    for member, rss_bytes in zip(members, (2100, 2300, 400), strict=True):
        member.rss.append((11.0, rss_bytes))
        member.beat, member.beat_at = beat(rss_bytes=rss_bytes), 11.0
    case.reports.weigh(members, 12.0)
    assert read == [3, 2], "a share that is more than the whole comes first"


def test_of_a_very_large_crew_those_that_were_not_weighed_for_long_come_first(
    case: Case, read: list[int]
) -> None:
    members = crew(*range(MOST_TOGETHER + 2))
    members[0].pss_at = members[1].pss_at = 5.0
    case.reports.weigh(members, 10.0)
    assert sorted(read) == list(range(2, MOST_TOGETHER + 2))


# -- what a child tells ---------------------------------------------------------------------------


def test_a_hard_limit_is_told_as_a_moment(case: Case) -> None:
    before = monotonic()
    told = HardDeadline(b"id", b"token", "shop.slow", 5.0, 4.0, POLICY)
    (event,) = case.take(told)
    assert isinstance(event, HardLimitSet) and event.at is not None
    assert before + 4.0 <= event.at <= monotonic() + 4.0
    assert event.text == 'task "shop.slow" ran longer than its hard_timeout of 5 s'
    assert case.member.hard is told


def test_the_end_of_all_hard_limits_is_told(case: Case) -> None:
    (event,) = case.take(HardDeadline(b"id", b"token", "shop.slow", 10.0, 4.0, POLICY, cancelled=True))
    assert isinstance(event, HardLimitSet)
    assert event.text == 'task "shop.slow" went on for 10 s after it was cancelled'
    (event,) = case.take(HardDeadline(b"", b"", "", 0.0, 0.0, []))
    assert isinstance(event, HardLimitSet) and event.at is None


def test_a_task_that_blocks_its_loop_is_named(case: Case) -> None:
    told = Blocked(b"\x01\xff", b"token", "shop.regex", "/srv/shop.py:1 in f", POLICY)
    assert case.take(told) == []
    assert case.member.blocked is told
    (event,) = case.journal.last(5)
    fields = event["fields"]
    assert isinstance(fields, dict) and 100.0 <= fields.pop("silent_s") < 200.0
    assert (event["level"], event["event"]) == ("error", "a task blocks its worker's loop")
    assert fields == {"seat": SEAT, "task": "01ff", "name": "shop.regex", "at": "/srv/shop.py:1 in f"}


def test_the_app_is_known_from_workers_and_not_from_the_keeper(case: Case) -> None:
    ready = Ready("redis://h", "tqd", 3)
    for message in (ready, Ready("", "", 0)):
        assert case.take(message) == [BecameReady(SEAT)]
        assert case.reports.app is ready


def test_the_keepers_being_ready_ends_what_it_had_to_tell_of_an_earlier_run(case: Case) -> None:
    case.reports.recollection.take(Remember(0, True, b""))
    case.take(Ready("redis://h", "tqd", 3))
    assert not case.reports.recollection.over
    case.member.seat = KEEPER
    case.take(Ready("", "", 0))
    assert case.reports.recollection.over


def test_a_child_that_cannot_start_says_why(case: Case) -> None:
    assert case.take(Failed(78, "no such app")) == [BootFailed(SEAT, 78, "no such app")]


def test_a_sample_is_kept_and_no_longer_owed(case: Case) -> None:
    before, depths = monotonic(), case.reports.depths
    depths.asked_at = before
    sample = Sampled([[1, 2, 3, 4, 0, 9]], 5)
    assert case.take(sample) == []
    assert depths.sample is sample and depths.at >= before
    assert case.owed is None
