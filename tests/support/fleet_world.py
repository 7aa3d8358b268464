"""A world for the fleet reducer: processes that live, obey, disobey, fall silent and die, in virtual time.

It carries out the reducer's actions as the shell does, and holds the rules that must always hold:
no two processes in a seat, never more workers than wanted and overlapping, nobody killed who is not there,
nobody forgotten, every roll answered once, never fewer ready workers during a roll than before it, and a
probe only while suspects wait or have just waited.
"""

from __future__ import annotations

from typing import Any

from tqd.master.events import (
    Abort,
    Action,
    AnnounceReady,
    AskToDrain,
    BecameReady,
    BootFailed,
    Dump,
    Event,
    Exited,
    Finish,
    Forked,
    Heard,
    Kill,
    QuietAsked,
    ReloadAsked,
    ResizeAsked,
    Role,
    RollBegan,
    RollDone,
    RollRefused,
    RollServing,
    RollSwitched,
    SetQuiet,
    Spawn,
    Started,
    StopAsked,
    Suspected,
    Terminate,
    Tick,
)
from tqd.master.fleet import Fleet
from tqd.master.plan import FleetPlan
from tqd.master.seats import REDIS


class Process:
    """One child. `asked`: to drain or to terminate. `dumped`, `aborted`, `killed`: what it was sent."""

    def __init__(self, seat: str, role: Role, generation: int, pid: int) -> None:
        self.seat = seat
        self.role = role
        self.generation = generation
        self.pid = pid
        self.ready = False
        self.asked = False
        self.dumped = False
        self.aborted = False
        self.killed = False
        self.quiet = False
        self.silent = False


class World:
    """A fleet with its processes; `now` moves by `pass_time` only.

    While time passes, children that are ready beat each second unless they are `silent`.
    """

    def __init__(
        self,
        workers: int = 2,
        embedded: bool = False,
        grace_s: float = 30.0,
        chance: float = 0.5,
        **plan: Any,
    ):
        self.names = tuple(f"worker-{n}" for n in range(1, workers + 1))
        self.plan = FleetPlan(workers=workers, embedded_redis=embedded, grace_s=grace_s, **plan)
        self.fleet = Fleet(self.plan, lambda: chance)
        self.now = 1000.0
        self.processes: dict[str, Process] = {}
        self.actions: list[Action] = []
        self.announced = 0
        self.finish: Finish | None = None
        self.rolls: dict[int, list[str]] = {}
        self._floor = 0
        self._pids = 100

    # -- what happens ----------------------------------------------------------------------------

    def feed(self, event: Event) -> list[Action]:
        """Give the fleet an event and carry out what it wants; returns those actions."""
        if isinstance(event, Exited | StopAsked | ResizeAsked):
            self._floor = 0  # whoever takes workers away may not wonder that there are fewer
        seats = len(self.fleet.seats.workers())
        actions = self.fleet.handle(event, self.now)
        more = len(self.fleet.seats.workers())
        roll = self.fleet.rollout.roll
        if more > seats:
            assert more <= self.fleet.wanted.most(roll.workers if roll else 0), f"{more} workers are too many"
        for action in actions:
            self._carry_out(action)
        if any(process.silent for process in self.processes.values()):
            self._floor = 0
        assert self.fleet.ready_workers >= self._floor, "fewer ready workers during a roll than before it"
        return actions

    def start(self) -> list[Action]:
        return self.feed(Started())

    def ready(self, *seats: str) -> list[Action]:
        """Let children say that they are ready."""
        actions: list[Action] = []
        for seat in seats:
            self.processes[seat].ready = True
            actions += self.feed(BecameReady(seat))
        return actions

    def all_ready(self) -> None:
        """Let every child become ready, and those that are started because of it."""
        while waiting := [seat for seat, process in self.processes.items() if not process.ready]:
            self.ready(*(seat for seat in waiting if seat in self.processes))

    def die(
        self,
        seat: str,
        code: int = -9,
        oom: bool | None = None,
        culprit: bool = False,
        begun: bool = False,
        outlived: bool = False,
    ) -> list[Action]:
        """End a child's process."""
        del self.processes[seat]
        return self.feed(Exited(seat, code, oom, culprit, begun, outlived))

    def fail_to_boot(self, seat: str, code: int = 78, text: str = "no such app") -> list[Action]:
        return [*self.feed(BootFailed(seat, code, text)), *self.die(seat, code)]

    def stop(self) -> list[Action]:
        return self.feed(StopAsked())

    def reload(self, plan: FleetPlan | None = None, keeper: bool = False) -> list[Action]:
        return self.feed(ReloadAsked(plan or self.fleet.wanted.plan, keeper))

    def resize(self, workers: int) -> list[Action]:
        return self.feed(ResizeAsked(workers))

    def quiet(self, quiet: bool) -> list[Action]:
        return self.feed(QuietAsked(quiet))

    def suspects(self, count: int) -> list[Action]:
        """Let the keeper say how many suspects wait."""
        return self.feed(Suspected(count))

    def beat(self, seat: str, **fields: Any) -> list[Action]:
        process = self.processes[seat]
        return self.feed(Heard(seat, **{"claiming": not (process.quiet or process.asked)} | fields))

    def beats(self) -> list[Action]:
        """Let everybody beat who is ready and not silent."""
        actions: list[Action] = []
        for seat, process in list(self.processes.items()):
            if process.ready and not process.silent and process.role is not Role.REDIS:
                actions += self.beat(seat)
        return actions

    def pass_time(self, seconds: float) -> list[Action]:
        """Let time pass, with beats each second and a tick at each deadline on the way, as in the shell."""
        end, actions, beat_at = self.now + seconds, [], self.now + 1.0
        while True:
            wanted = self.fleet.next_deadline()
            if wanted is not None and wanted <= min(end, beat_at):
                self.now = max(self.now, wanted)
                actions += self.feed(Tick())
                assert self.fleet.next_deadline() != wanted, (
                    "a deadline that a tick does not move: a busy loop"
                )
            elif beat_at <= end:
                self.now, beat_at = beat_at, beat_at + 1.0
                actions += self.beats()
            else:
                break
        self.now = end
        return actions + self.feed(Tick())

    def obey(self) -> None:
        """Let every child that was asked, aborted or killed come to its end."""
        while ending := [p for p in self.processes.values() if p.asked or p.aborted or p.killed]:
            for process in ending:
                if self.processes.get(process.seat) is process:
                    self.die(process.seat, -9 if process.killed else -6 if process.aborted else 0)

    # -- what the fleet wants --------------------------------------------------------------------

    def _carry_out(self, action: Action) -> None:
        self.actions.append(action)
        assert self.finish is None, f"{action} after the end"
        match action:
            case Spawn(seat, role, generation):
                self._spawn(seat, role, generation)
            case AskToDrain(seat):
                assert seat != REDIS, "a server has no pipe of ours"
                self.processes[seat].asked = True
            case Terminate(seat):
                self.processes[seat].asked = True
            case SetQuiet(seat, quiet):
                self.processes[seat].quiet = quiet
            case Dump(seat):
                self.processes[seat].dumped = True
                self._floor = 0
            case Abort(seat):
                self.processes[seat].aborted = True
            case Kill(seat):
                assert seat in self.processes, f"{action} kills nobody"
                self.processes[seat].killed = True
            case RollBegan() | RollSwitched() | RollServing() | RollDone() | RollRefused():
                self._roll(action)
            case AnnounceReady():
                self.announced += 1
                assert self.announced == 1, "readiness is announced once"
                assert all(process.ready for process in self.processes.values())
            case Finish():
                assert not self.processes, f"the daemon leaves {list(self.processes)} behind"
                assert all(steps[-1] != "began" for steps in self.rolls.values()), (
                    "a reload without an answer"
                )
                self.finish = action

    def _roll(self, action: RollBegan | RollSwitched | RollServing | RollDone | RollRefused) -> None:
        steps = self.rolls.setdefault(action.generation, [])
        match action:
            case RollBegan():
                assert not steps
                steps.append("began")
                roll = self.fleet.rollout.roll
                self._floor = min(self.fleet.ready_workers, roll.workers if roll else 0)
            case RollSwitched():
                assert steps == ["began"]
                steps.append("switched")
            case RollRefused():
                assert steps == ["began"]
                steps.append("refused")
            case RollServing():
                assert steps == ["began", "switched"]
                steps.append("serving")
            case RollDone():
                assert steps == ["began", "switched", "serving"]
                steps.append("done")
                self._floor = 0

    def _spawn(self, seat: str, role: Role, generation: int) -> None:
        if role is Role.PROBE:
            wanted = self.fleet.wanted
            assert wanted.suspects and wanted.workers and not wanted.quiet, "a probe that nobody needs"
            assert generation == wanted.generation, "a probe of another generation than serves"
        assert seat not in self.processes, f"two processes in seat {seat}"
        # One more than may be: a worker that is recycled does not wait for others.
        assert self.fleet.seats.starting(generation) <= self.plan.starts + 1, "too many are on their way"
        self._pids += 1
        process = self.processes[seat] = Process(seat, role, generation, self._pids)
        process.ready = role is Role.REDIS
        self.feed(Forked(seat, self._pids))

    def workers(self, generation: int | None = None) -> list[str]:
        """Return the seats of worker processes (of a generation)."""
        return [
            seat for seat, process in self.processes.items()
            if process.role is Role.WORKER and generation in (None, process.generation)
        ]  # fmt: skip

    def check(self) -> None:
        """Hold the fleet's picture of its children equal to the world."""
        assert {seat.name: seat.pid for seat in self.fleet.seats.alive()} == {
            seat: process.pid for seat, process in self.processes.items()
        }
