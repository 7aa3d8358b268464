"""Real children in the master's hands: their last words, their deaths, and what the keeper is told."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.wait import DEADLINE_S
from tests.unit.master.builders import beat, config
from tqd.clock import monotonic
from tqd.log import Log
from tqd.master import children as module
from tqd.master.children import FIRST_PATIENCE_S, LATE_PATIENCE_S, OWES_AFTER_S, OWES_S, Children
from tqd.master.crew import Member
from tqd.master.events import BecameReady, Event, Exited, Forked, Heard, Role, Spawn
from tqd.master.fleet import Fleet
from tqd.master.journal import Journal
from tqd.master.launch import ChildMain, ChildMains, Launch
from tqd.master.plan import FleetPlan
from tqd.master.reloads import Reloads
from tqd.master.reports import Reports
from tqd.master.seats import KEEPER, PROBE, REDIS, ChildState, Step
from tqd.metrics.ledger import Ledger
from tqd.system import exits
from tqd.system.fork import Child, ChildPipes, unblock
from tqd.system.memory import MemorySense, MemoryState
from tqd.task.claim import Blame
from tqd.wire.frames import FrameReader
from tqd.wire.messages import (
    Blocked,
    Holding,
    Message,
    Ready,
    ReopenLog,
    SampleRequest,
    WorkerGone,
    WorkerUp,
    decode_message,
    encode_message,
)

WORKER = "worker-1"


class Memory(MemorySense):
    """A memory that is what the test says; `kills` is what the kernel has counted."""

    def __init__(self) -> None:
        super().__init__("/nowhere")
        self.kills: int | None = None
        self.free_bytes: int | None = None

    def oom_kills(self) -> int | None:
        return self.kills

    def state(self) -> MemoryState:
        return MemoryState(
            limit_bytes=1000,
            used_bytes=0,
            origin="here",
            pressure_some_avg10=None,
            free_bytes=self.free_bytes,
        )


class House:
    """Children with a selector that the test turns. What happens is fed to a fleet of one worker, whose
    actions are not carried out; `events` holds it."""

    def __init__(self) -> None:
        self.main: Callable[[ChildPipes], int] = says()
        self.patience: list[float] = []
        self.quiet: list[bool] = []
        self.memory = Memory()
        plan = FleetPlan(workers=1, embedded_redis=True, grace_s=30.0)
        mains = ChildMains(worker=self._worker, probe=self._worker, keeper=self._keeper, redis=says(code=3))
        self.fleet = Fleet(plan, lambda: 0.5)
        self.events: list[Event] = []
        self.selector = selectors.DefaultSelector()
        self.journal = Journal(Log(), lambda: "now")
        reloads = Reloads(Launch(config=config(), plan=plan, mains=mains), lambda launch: (launch, ()))
        self.reports = Reports(self.fleet, self.journal, self._feed, ("default",))
        self.children = Children(
            "node",
            self.fleet,
            reloads,
            self.journal,
            self.memory,
            self.selector,
            self._feed,
            list,
            self.reports,
        )
        self.opened: list[int] = []
        self.standing_in: list[Member] = []

    def _worker(self, seat: str, patience_s: float, quiet: bool) -> ChildMain:
        self.patience.append(patience_s)
        self.quiet.append(quiet)
        return self.main

    def _keeper(self, url: str, namespace: str) -> ChildMain:
        return self.main

    def _feed(self, event: Event) -> None:
        self.events.append(event)
        self.fleet.handle(event, monotonic())

    def spawn(
        self, main: Callable[[ChildPipes], int], seat: str = WORKER, role: Role = Role.WORKER
    ) -> Member:
        self.main = main
        self.fleet.seats[seat].state = ChildState.STARTING
        self.children.spawn(Spawn(seat, role, 1, False))
        return self.children.crew[seat]

    def until(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"not within {DEADLINE_S:g} s: {what}; {self.events}"
            for key, events in self.selector.select(0.01):
                key.data(events)

    @property
    def owed(self) -> float | None:
        """Since when the keeper owes an answer."""
        return self.reports.depths.asked_at

    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.events]

    def stand_in(self, seat: str = KEEPER) -> Callable[[], list[Message]]:
        """Put a pipe into a seat; returns what reads the messages that were written to it."""
        reader, writer = os.pipe2(os.O_NONBLOCK)
        others = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
        self.opened += (reader, writer, *others)
        self.fleet.seats[seat].state = ChildState.READY
        child = Child(os.getpid(), others[0], writer, others[1], others[2])
        self.children.crew[seat] = Member(seat, child, seat, 0.0)
        self.standing_in.append(self.children.crew[seat])
        frames = FrameReader()

        def read() -> list[Message]:
            try:
                return [decode_message(frame) for frame in frames.feed(os.read(reader, 65_536))]
            except BlockingIOError:
                return []

        return read

    def close(self) -> None:
        for member in self.children.crew.values():
            if member not in self.standing_in:
                signal.pidfd_send_signal(member.child.pidfd, signal.SIGKILL)
                os.waitid(os.P_PIDFD, member.child.pidfd, os.WEXITED)
                member.close()
        for descriptor in self.opened:
            os.close(descriptor)
        self.selector.close()


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.close()


def lives(pipes: ChildPipes) -> int:
    """Live until the master's end of the pipe is closed."""
    unblock()
    os.set_blocking(pipes.control_fd, True)
    while os.read(pipes.control_fd, 4096):
        pass
    return 0


def says(*messages: Message, code: int = 0) -> Callable[[ChildPipes], int]:
    """Return a main that says something and ends."""

    def main(pipes: ChildPipes) -> int:
        for message in messages:
            os.write(pipes.status_fd, encode_message(message))
        return code

    return main


# -- deaths ---------------------------------------------------------------------------------------


def test_last_words_are_heard_before_the_death_is_told(house: House) -> None:
    house.spawn(says(beat(done=3), beat(done=7), code=5))
    house.until(lambda: Exited(WORKER, 5) in house.events, "its death")
    assert house.kinds() == [Forked, Heard, Heard, Exited]
    assert house.children.crew == {} and house.children.pids() == set()
    assert not house.selector.get_map()


def test_a_death_that_is_seen_before_the_last_words_in_one_round_harms_nobody(house: House) -> None:
    """A task's own child may hold the status pipe open: there is no end of file then, and the event of
    the pipe is served after its descriptor was closed and given to another child."""
    held, hold = os.pipe()

    def main(pipes: ChildPipes) -> int:
        if os.fork() == 0:
            os.close(hold)
            os.read(held, 1)
            os._exit(0)
        return says(beat(done=3), code=4)(pipes)

    member = house.spawn(main)
    os.close(held)
    found: list[tuple[selectors.SelectorKey, int]] = []

    def both() -> bool:
        found[:] = house.selector.select(0.01)
        return len(found) == 2

    end = time.monotonic() + DEADLINE_S
    while not both():
        assert time.monotonic() < end, "words and death come in one round"
    found.sort(key=lambda pair: pair[0].fd != member.child.pidfd)
    found[0][0].data(found[0][1])
    assert house.kinds() == [Forked, Heard, Exited]
    successor = house.spawn(lives)
    assert successor.child.pid != member.child.pid
    found[1][0].data(found[1][1])
    assert house.kinds() == [Forked, Heard, Exited, Forked]
    assert successor.reading and not member.reading
    os.close(hold)


def test_nothing_of_a_dead_child_stays_open(house: House) -> None:
    before = len(os.listdir("/proc/self/fd"))
    house.spawn(says())
    assert len(os.listdir("/proc/self/fd")) == before + 4
    house.until(lambda: not house.children.crew, "its death")
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_words_at_once_are_all_heard(house: House) -> None:
    def main(pipes: ChildPipes) -> int:
        os.set_blocking(pipes.status_fd, True)
        names = [["x" * 3000, 1]]
        return says(*(beat(done=done, names=names) for done in range(1, 101)), code=4)(pipes)

    house.spawn(main)
    house.until(lambda: Exited(WORKER, 4) in house.events, "its death")
    assert house.kinds() == [Forked, *[Heard] * 100, Exited]


def test_the_stacks_of_a_child_that_aborts_are_told_at_its_death(house: House) -> None:
    def main(pipes: ChildPipes) -> int:
        signal.raise_signal(signal.SIGABRT)
        return 0

    house.spawn(main)
    house.until(lambda: not house.children.crew, "its death")
    assert house.events[-1] == Exited(WORKER, -signal.SIGABRT)
    (event,) = house.journal.last(9)
    assert (event["level"], event["event"]) == ("warning", "stacks")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_death_by_a_signal_is_told_with_its_number(house: House, number: signal.Signals) -> None:
    house.spawn(lives)
    house.children.signal(WORKER, number)
    house.until(lambda: Exited in house.kinds(), "its death")
    assert isinstance(house.events[-1], Exited) and house.events[-1].code == -number


@pytest.mark.parametrize(
    ("before", "after", "oom"),
    [(None, None, None), (None, 3, None), (3, None, None), (3, 3, False), (3, 4, True)],
)
def test_a_kill_is_told_with_what_the_kernel_has_counted(
    house: House, before: int | None, after: int | None, oom: bool | None
) -> None:
    for counted in (before, after):
        house.memory.kills = counted
        house.spawn(lives)
        house.children.signal(WORKER, signal.SIGKILL)
        house.until(lambda: not house.children.crew, "its death")
    assert house.events[-1] == Exited(WORKER, -signal.SIGKILL, oom)
    told = [event["event"] for event in house.journal.last(9)]
    assert told == (["the kernel was out of memory"] if oom else [])


def test_a_death_that_is_no_kill_is_not_held_against_memory(house: House) -> None:
    house.memory.kills = 3
    house.spawn(says(code=1))
    house.until(lambda: not house.children.crew, "its death")
    assert house.events[-1] == Exited(WORKER, 1, None)


def test_what_a_killed_child_has_counted_is_known_to_the_last(house: House) -> None:
    def main(pipes: ChildPipes) -> int:
        page = Ledger(pipes.ledger).page("mail", "default")
        for _ in range(7):
            page.done(0.1)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    for _ in range(3):
        house.spawn(main)
        house.until(lambda: not house.children.crew, "its death")
    assert house.kinds()[-1] is Exited
    assert house.reports.totals.done == house.reports.telemetry.by_name()["mail"].done == 21


def test_a_later_child_does_not_keep_the_ledgers_of_earlier_ones(house: House) -> None:
    def main(pipes: ChildPipes) -> int:
        with open("/proc/self/maps") as maps:
            os.write(pipes.status_fd, encode_message(beat(done=maps.read().count("/dev/zero (deleted)"))))
        return lives(pipes)

    seats = (WORKER, KEEPER)
    for seat in seats:
        house.spawn(main, seat)
    house.until(lambda: all(house.children.crew[seat].beat for seat in seats), "both have told")
    told = [house.children.crew[seat].beat for seat in seats]
    assert [one.done for one in told if one] == [1, 1], "its own, and nobody else's"


def test_a_child_that_sends_nonsense_is_killed_and_no_longer_read(house: House) -> None:
    def main(pipes: ChildPipes) -> int:
        os.write(pipes.status_fd, b"\x00\x00\x00\x01\xc1" + encode_message(beat(done=9)))
        return lives(pipes)

    house.spawn(main)
    house.until(lambda: Exited in house.kinds(), "its death")
    assert isinstance(house.events[-1], Exited) and house.events[-1].code == -signal.SIGKILL
    assert house.reports.totals.done == 0
    assert house.journal.last(1)[0]["event"] == "child sends nonsense and is killed"


def test_a_closed_status_pipe_is_no_death(house: House) -> None:
    def main(pipes: ChildPipes) -> int:
        os.close(pipes.status_fd)
        return lives(pipes)

    member = house.spawn(main)
    house.until(lambda: not member.reading, "the end of file")
    assert house.kinds() == [Forked] and house.children.pids() == {member.child.pid}


def test_a_fork_that_fails_is_a_child_that_ended_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(module, "spawn", fail)
    house.fleet.seats[WORKER].state = ChildState.STARTING
    house.children.spawn(Spawn(WORKER, Role.WORKER, 1, False))
    assert house.events == [Exited(WORKER, exits.INTERNAL)]
    assert house.children.crew == {}
    assert house.journal.last(1)[0]["fields"] == {"seat": WORKER, "error": "no more processes"}


def test_words_to_nobody_and_signals_to_nobody_are_no_error(house: House) -> None:
    assert house.children.send(WORKER, SampleRequest()) is False
    house.children.signal(WORKER, signal.SIGKILL)
    house.children.dump(WORKER)
    house.spawn(says())
    house.until(lambda: Exited in house.kinds(), "its death")
    assert house.children.next_deadline() is None


def test_a_child_that_does_not_listen_is_not_waited_for(house: House) -> None:
    def main(pipes: ChildPipes) -> int:
        unblock()
        signal.pause()
        return 0

    house.spawn(main)
    taken = 0
    while house.children.send(WORKER, SampleRequest()):
        taken += 1
        assert taken < 1_000_000, "the pipe takes everything"
    assert taken > 100


def test_the_stacks_of_a_child_are_told_a_moment_after_they_were_asked_for(house: House) -> None:
    member = house.spawn(lives)
    house.children.dump(WORKER)
    due = house.children.next_deadline()
    assert due is not None
    house.until(lambda: os.fstat(member.child.dump_fd).st_size > 0, "the child has written")
    house.children.after(due - 0.01)
    assert house.journal.last(1) == []
    told: list[str] = []
    house.journal.warning = lambda event, /, **fields: told.append(str(fields["traceback"]))  # type: ignore[method-assign]
    house.children.after(due)
    assert house.children.next_deadline() is None
    assert "in lives" in told[0] and "in _child" not in told[0]


def test_what_is_for_all_goes_to_all_but_redis(house: House) -> None:
    keeper, redis, worker = (house.stand_in(seat) for seat in (KEEPER, REDIS, WORKER))
    house.children.broadcast(ReopenLog("/var/log/tqd.log"))
    assert keeper() == worker() == [ReopenLog("/var/log/tqd.log")]
    assert redis() == []


def test_an_embedded_redis_is_started_by_its_own_main(house: House) -> None:
    house.spawn(lives, REDIS, Role.REDIS)
    house.until(lambda: not house.children.crew, "its end")
    assert house.events[-1] == Exited(REDIS, 3)


# -- what the keeper is told ----------------------------------------------------------------------


def test_the_keeper_is_told_who_lives_and_who_died(house: House) -> None:
    heard = house.stand_in()
    member = house.spawn(says(code=1))
    house.until(lambda: Exited in house.kinds(), "its death")
    assert heard() == [WorkerUp(member.name, member.child.pid), WorkerGone(member.name, [])]
    assert member.name.startswith("node") and WORKER in member.name


@pytest.mark.parametrize(("step", "blamed"), [(Step.NONE, False), (Step.DUMPED, False), (Step.ABORTED, True)])
def test_a_task_is_blamed_when_the_master_ended_its_worker_for_it(
    house: House, step: Step, blamed: bool
) -> None:
    heard = house.stand_in()
    member = house.spawn(
        says(Blocked(b"id", b"token", "shop.regex", "/srv/shop.py:1 in f", [3.0, 1.0, 9.0, 0.0]))
    )
    seat = house.fleet.seats[WORKER]
    seat.step, seat.killed_for = step, "its loop has been silent"
    house.until(lambda: Exited in house.kinds(), "its death")
    culprit = [b"id", b"token", "LoopBlocked", "its loop has been silent", 3.0, 1.0, 9.0, 0.0]
    told = WorkerGone(
        member.name, culprit if blamed else [], "", Blame.NONE if step is Step.NONE else Blame.CRASH
    )
    assert heard()[-1] == told, "a worker that did not hang was killed at a deadline: no task's fault"


HELD = Holding(b"id", b"3:0:2:mail", "shop.pay", 0.0, [3.0, 1.0, 9.0, 0.0])


def probe(house: House, main: Callable[[ChildPipes], int]) -> Member:
    house.fleet.seats.add(PROBE, Role.PROBE, 1)
    return house.spawn(main, PROBE, Role.PROBE)


def test_the_task_that_a_probe_dies_of_is_told_with_a_report_and_its_last_stack(house: House) -> None:
    def crashes(pipes: ChildPipes) -> int:
        os.write(pipes.status_fd, encode_message(HELD))
        unblock()
        os.abort()

    heard = house.stand_in()
    member = probe(house, crashes)
    house.until(lambda: Exited in house.kinds(), "its death")
    assert house.events[-1] == Exited(PROBE, -signal.SIGABRT, None, culprit=True)
    gone = heard()[-1]
    assert isinstance(gone, WorkerGone)
    assert gone.culprit[:3] == [b"id", b"3:0:2:mail", "WorkerCrashed"]
    assert gone.culprit[4:] == [3.0, 1.0, 9.0, 0.0]
    assert "was killed by SIGABRT" in str(gone.culprit[3])
    assert f"worker     {member.name}" in gone.report and "in crashes" in gone.report


def test_a_probe_that_somebody_kills_makes_its_task_no_culprit_but_puts_it_on_record(house: House) -> None:
    heard = house.stand_in()

    def stays(pipes: ChildPipes) -> int:
        says(HELD)(pipes)
        return lives(pipes)

    member = probe(house, stays)
    house.until(lambda: house.children.crew[PROBE].holding, "what it holds")
    os.kill(member.child.pid, signal.SIGKILL)
    house.until(lambda: Exited in house.kinds(), "its death")
    assert heard()[-1] == WorkerGone(member.name, [], "", Blame.KILL)
    assert house.events[-1] == Exited(PROBE, -signal.SIGKILL, None)


def test_a_new_keeper_is_told_the_deaths_that_it_missed_and_who_lives(house: House) -> None:
    dead = house.spawn(says(code=1))
    house.until(lambda: Exited in house.kinds(), "its death")
    living = house.spawn(lives)
    reader, writer = os.pipe2(os.O_NONBLOCK)
    house.opened += (reader, writer)

    def keeper(pipes: ChildPipes) -> int:
        unblock()
        os.set_blocking(pipes.control_fd, True)
        while data := os.read(pipes.control_fd, 4096):
            os.write(writer, data)
        return 0

    house.reports.depths.asked_at = 5.0
    house.spawn(keeper, KEEPER, Role.KEEPER)
    assert house.owed is None, "the last keeper's debt is not the new one's"
    frames, told = FrameReader(), list[Message]()

    def heard() -> bool:
        try:
            told.extend(decode_message(frame) for frame in frames.feed(os.read(reader, 65_536)))
        except BlockingIOError:
            return False
        return len(told) >= 2

    house.until(heard, "two messages")
    assert told == [WorkerGone(dead.name, []), WorkerUp(living.name, living.child.pid)]


# -- room -----------------------------------------------------------------------------------------


def test_there_is_room_for_as_many_as_the_heaviest_would_fit_and_always_for_one(house: House) -> None:
    house.stand_in()
    member = house.children.crew[KEEPER]
    house.memory.free_bytes = 900
    assert house.children.room() is None, "nobody was weighed yet"
    house.children.crew[WORKER] = Member(WORKER, member.child, "light", 0.0)
    house.children.crew[WORKER].pss_bytes, member.pss_bytes = 10, 200
    assert house.children.room() == 4
    house.memory.free_bytes = 0
    assert house.children.room() == 1
    del house.children.crew[WORKER]


# -- samples --------------------------------------------------------------------------------------


def test_an_answer_that_is_owed_is_waited_for_and_after_a_while_asked_for_again(house: House) -> None:
    heard, now = house.stand_in(), 1000.0
    asked = house.reports.depths
    assert house.children.sample(now) is True
    assert (heard(), asked.asked_at) == ([SampleRequest()], now)
    assert house.children.sample(now + OWES_AFTER_S / 2) is True, "it may just be about to answer"
    assert (heard(), asked.asked_at) == ([SampleRequest()], now)
    assert house.children.sample(now + OWES_S - 0.1) is False
    assert (heard(), asked.asked_at) == ([], now)
    assert house.children.sample(now + OWES_S) is True, "what Redis refused is never answered"
    assert (heard(), asked.asked_at) == ([SampleRequest()], now + OWES_S)


def test_without_a_keeper_nothing_is_waited_for(house: House) -> None:
    assert house.children.sample(1000.0) is False
    house.stand_in()
    house.fleet.seats[KEEPER].state = ChildState.DRAINING
    assert house.children.sample(1000.0) is False
    assert house.reports.depths.asked_at is None


# -- the start ------------------------------------------------------------------------------------


def test_a_child_that_says_that_it_is_ready_is(house: House) -> None:
    def main(pipes: ChildPipes) -> int:
        return says(Ready("redis://h", "tqd", 3))(pipes) or lives(pipes)

    house.spawn(main)
    house.until(lambda: BecameReady(WORKER) in house.events, "its word")
    assert house.reports.app == Ready("redis://h", "tqd", 3)


def test_a_worker_that_comes_later_may_wait_longer_for_redis(house: House) -> None:
    for patient in (False, True):
        house.children.spawn(Spawn(WORKER, Role.WORKER, 1, patient))
        house.until(lambda: not house.children.crew, "its end")
    assert house.patience == [FIRST_PATIENCE_S, 60.0 - LATE_PATIENCE_S]


def test_a_worker_of_a_quiet_daemon_knows_from_its_birth(house: House) -> None:
    for quiet in (False, True):
        house.fleet.wanted.quiet = quiet
        house.children.spawn(Spawn(WORKER, Role.WORKER, 1, False))
        house.until(lambda: not house.children.crew, "its end")
    assert house.quiet == [False, True]
