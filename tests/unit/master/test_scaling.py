"""When the master asks, when it decides, what it does with a decision, and what it remembers."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from tests.support.fleet_world import World
from tests.unit.master.builders import config
from tqd.clock import wall_ms
from tqd.log import Log
from tqd.master.children import Children
from tqd.master.events import Event, ResizeAsked
from tqd.master.journal import Journal
from tqd.master.reports import Reports
from tqd.master.scaling import PATIENCE_S, Scaling
from tqd.scale.adapt import Learned, Lesson
from tqd.scale.saved import dump
from tqd.scale.settings import EMPTY_INTERVAL_S
from tqd.scale.state import State
from tqd.system.memory import MemorySense
from tqd.wire.messages import Decided, Message, Remember, Sampled
from tqd.wire.parts import Whole, parted


class Nobody(Children):
    """Children of which none is there to be told anything: `sent` is what they would have been."""

    def __init__(self) -> None:
        self.crew = {}
        self.sent: list[Message] = []
        self.samples = 0

    def send(self, seat: str, message: Message) -> bool:
        self.sent.append(message)
        return True

    def sample(self, now: float) -> bool:
        self.samples += 1
        return True


class Case:
    """A daemon with an autoscaler, in virtual time; `events` is what the fleet is asked for."""

    def __init__(self, workers: int = 1, **settings: Any) -> None:
        self.world = World(workers)
        self.world.start()
        self.world.all_ready()
        self.now = 1000.0
        chosen = {f"autoscaler__{name}": value for name, value in settings.items()}
        self.config = config(**{"autoscaler__enabled": True, **chosen})
        self.events: list[Event] = []
        self.children = Nobody()
        self.journal = Journal(Log(), lambda: "now")
        self.reports = Reports(self.world.fleet, self.journal, self.events.append, ("default",))
        self.scaling = Scaling(
            lambda: self.config, self.world.fleet, self.children, self.reports, MemorySense(), self.journal,
            self.events.append, self.now,
        )  # fmt: skip

    def wait(self, seconds: float) -> None:
        """Let time pass without a word of anybody."""
        self.now += seconds
        self.scaling.after(self.now)

    def sampled(self, ready: int = 0, oldest_ms: int = -1) -> None:
        """Let the keeper's answer come."""
        row = [ready, 0, 0, oldest_ms, 0, 0, 0]
        self.reports.depths.take(Sampled([row], 0, company=[1, 0, 0, -1, -1], at=self.now), self.now + 0.001)
        self.wait(0.002)

    def recall(self, data: bytes, *decisions: dict[str, Any]) -> None:
        """Let the first keeper tell what an earlier run has left."""
        for part in parted(data):
            self.reports.recollection.take(part)
        for one in decisions:
            self.reports.recollection.take(Decided(json.dumps(one).encode()))
        self.reports.recollection.close()
        self.wait(0.0)

    @property
    def kept(self) -> list[bytes]:
        """What was handed to the keeper of the state."""
        whole = Whole()
        return [data for m in self.children.sent if isinstance(m, Remember) and (data := whole.take(m))]

    @property
    def decided(self) -> dict[str, Any] | None:
        return self.scaling.picture(self.now)["decision"]  # type: ignore[return-value]


def test_it_asks_once_each_interval_and_decides_when_the_answer_comes() -> None:
    case = Case(interval=5)
    case.wait(4.9)
    assert case.children.samples == 0
    case.wait(0.2)
    case.wait(0.1)
    assert (case.children.samples, case.decided) == (1, None)
    case.sampled()
    assert case.decided is not None
    deadline = case.scaling.next_deadline()
    assert deadline is not None and case.now < deadline <= case.now + 5


def test_without_an_answer_it_decides_about_old_figures_which_is_to_hold() -> None:
    case = Case(interval=5)
    case.wait(5.0)
    case.wait(PATIENCE_S)
    assert case.decided is not None
    assert (case.decided["rule"], case.decided["action"]) == ("stale", "hold")


def test_a_sample_that_somebody_else_has_asked_for_makes_no_decision() -> None:
    case = Case(interval=5)
    case.sampled()
    assert case.decided is None


def test_without_workers_it_looks_often_and_starts_one_at_once() -> None:
    case = Case(workers=0, interval=60, min_workers=0)
    case.wait(EMPTY_INTERVAL_S)
    case.sampled(ready=1, oldest_ms=10)
    assert case.events == [ResizeAsked(1)]


def test_advice_is_told_and_not_carried_out() -> None:
    case = Case(workers=0, interval=60, mode="advise")
    case.wait(EMPTY_INTERVAL_S)
    case.sampled(ready=1, oldest_ms=10)
    assert case.events == []
    assert case.decided is not None and case.decided["sentence"].startswith("advice only: 0 → 1 workers")
    assert [event["event"] for event in case.journal.last(1)] == ["scaling_decision"]


def test_off_it_asks_nothing_and_has_no_deadline() -> None:
    case = Case(enabled=False)
    case.wait(1000.0)
    assert (case.children.samples, case.scaling.next_deadline(), case.decided) == (0, None, None)


def test_each_decision_is_handed_to_the_keeper_and_noted_when_it_says_something_new() -> None:
    case = Case(interval=5)
    for _ in range(3):
        case.wait(5.0)
        case.sampled()
    handed = [message for message in case.children.sent if isinstance(message, Decided)]
    assert len(handed) == 3 and {message.current_s for message in handed} == {16}
    assert json.loads(handed[-1].data) == case.decided
    noted = [json.loads(message.data) for message in handed if message.noted]
    assert len({one["rule"] for one in noted}) == len(noted) < 3
    assert noted[0] == case.scaling.decisions(1000)[0]


def test_when_it_is_turned_off_the_last_decision_is_taken_back_once() -> None:
    case = Case(interval=5)
    case.wait(5.0)
    case.sampled()
    case.config = config(autoscaler__enabled=False)
    case.children.sent.clear()
    case.wait(1.0)
    case.wait(1.0)
    assert case.children.sent == [Decided(b"", noted=False)]
    assert case.decided is None


def test_what_an_earlier_run_has_decided_is_not_current() -> None:
    case = Case(interval=5)
    case.recall(b"", {"at": "2026", "sentence": "held at 3"})
    case.wait(1.0)
    told = case.scaling.why(20)
    assert (told["mode"], told["current"], len(told["decisions"])) == ("act", False, 1)
    case.wait(5.0)
    case.sampled()
    assert (case.scaling.why(20)["current"], len(case.scaling.why(20)["decisions"])) == (True, 2)
    case.config = config(autoscaler__enabled=False)
    case.wait(1.0)
    told = case.scaling.why(20)
    assert (told["mode"], told["current"], len(told["decisions"])) == ("off", False, 2)


def test_started_off_it_takes_back_what_an_earlier_run_has_decided() -> None:
    case = Case(enabled=False)
    case.wait(1.0)
    assert case.children.sent == [Decided(b"", noted=False)]


def test_an_order_is_kept_and_comes_back_to_the_next_daemon() -> None:
    first = Case()
    first.recall(b"")
    first.scaling.ordered(3, 1, first.now)
    second = Case()
    second.recall(first.kept[-1])
    picture = second.scaling.picture(second.now)
    assert picture["ordered_workers"] == 3


def test_what_is_set_by_hand_during_the_start_holds_over_what_was_left_and_is_then_kept() -> None:
    first = Case()
    first.recall(b"")
    first.scaling.ordered(3, 1, first.now)
    second = Case()
    second.scaling.ordered(5, 1, second.now)
    second.scaling.freeze(True)
    assert second.kept == []
    second.recall(first.kept[-1])
    third = Case()
    third.recall(second.kept[-1])
    for case in (second, third):
        assert case.scaling.picture(case.now)["ordered_workers"] == 5
        assert case.scaling.thresholds(case.now)["frozen"] is True


def test_what_is_set_by_hand_during_the_start_holds_when_nothing_can_be_recalled() -> None:
    for data in (b"", b"garbage", zlib.compress(b'{"at_ms": 1, "state": {"version": 0}}')):
        case = Case()
        case.scaling.ordered(5, 1, case.now)
        case.recall(data)
        assert case.scaling.picture(case.now)["ordered_workers"] == 5
        assert len(case.kept) == 1


def test_nothing_is_kept_before_it_is_known_what_was_left() -> None:
    case = Case(interval=5)
    for _ in range(15):
        case.wait(5.0)
        case.sampled()
    assert case.kept == []
    case.recall(b"")
    case.wait(5.0)
    case.sampled()
    assert len(case.kept) == 1


def test_what_cannot_be_read_is_told_and_it_starts_anew() -> None:
    texts = (
        b"[]",
        b"[" * 100_000,
        b'{"at_ms": 1e999, "state": {}}',
        b'{"at_ms": 1, "state": {"version": 0}}',
        b'{"at_ms": -1%s, "state": {}}' % (b"0" * 400),
        b'{"at_ms": 1, "state": {"version": %s}}' % (b"[" * 900 + b"]" * 900),
    )
    for data in (b"garbage", *map(zlib.compress, texts)):
        case = Case()
        case.recall(data)
        assert case.journal.last(1)[0]["level"] == "warning"
        assert case.scaling.picture(case.now)["ordered_workers"] is None


def test_decisions_of_an_earlier_run_stand_before_ours_and_once() -> None:
    case = Case(interval=5)
    case.wait(5.0)
    case.sampled()
    case.recall(b"", {"to": 1}, {"to": 2})
    case.recall(b"", {"to": 1}, {"to": 2})  # a later keeper
    assert [one["to"] for one in case.scaling.decisions(10)] == [1, 2, 1]


def test_a_state_of_another_time_is_taken_over_with_its_age() -> None:
    case = Case()
    text = json.dumps({"at_ms": wall_ms(), "state": dump(State(), 0.0)})
    case.recall(zlib.compress(text.encode()))
    assert case.journal.last(1) == []


@pytest.mark.parametrize("at_ms", [-(10**400), -(10**18), 0, 10**18, 10**400], ids=range(5))
def test_a_state_of_an_impossible_age_is_taken_over_and_can_be_kept_again(at_ms: int) -> None:
    first, second = Case(), Case()
    lesson = Lesson(0.0, 1.0, 0.8, 0.5, 0.0)
    state = State(learned=Learned(factor=0.8, history=(lesson,)))
    first.recall(zlib.compress(json.dumps({"at_ms": at_ms, "state": dump(state, 0.0)}).encode()))
    first.scaling.freeze(True)
    second.recall(first.kept[-1])
    assert second.scaling.thresholds(second.now)["factor"] == 0.8


def test_the_age_of_a_lesson_grows_even_while_nothing_is_decided() -> None:
    case = Case(enabled=False)
    lesson = Lesson(0.0, 1.0, 0.8, 0.5, 0.0)
    state = State(learned=Learned(factor=0.8, history=(lesson,)))
    case.recall(zlib.compress(json.dumps({"at_ms": wall_ms(), "state": dump(state, 60.0)}).encode()))
    case.wait(100.0)
    history = case.scaling.thresholds(case.now)["history"]
    assert isinstance(history, list)
    assert history[0]["s_ago"] == pytest.approx(160.0, abs=5.0)


@pytest.mark.parametrize("frozen", [True, False])
def test_thresholds_are_frozen_thawed_and_reset(frozen: bool) -> None:
    case = Case()
    case.scaling.freeze(frozen)
    assert case.scaling.thresholds(case.now)["frozen"] is frozen
    case.scaling.reset()
    assert case.scaling.thresholds(case.now)["factor"] == 1.0
