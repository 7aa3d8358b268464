"""A world for the fleet reducer: processes that live, obey, disobey and die, in virtual time.

It carries out the reducer's actions as the shell does, and holds the rules that must always hold.
"""

from __future__ import annotations

from tqd.master.events import (
    Action,
    AnnounceReady,
    AskToDrain,
    BecameReady,
    BootFailed,
    Event,
    Exited,
    Finish,
    Forked,
    Kill,
    Role,
    Spawn,
    Started,
    StopAsked,
    Terminate,
    Tick,
)
from tqd.master.fleet import KEEPER, REDIS, Fleet, FleetPlan


class Process:
    """One child. A stubborn one ignores what it is asked and can only be killed."""

    def __init__(self, seat: str, role: Role, pid: int) -> None:
        self.seat = seat
        self.role = role
        self.pid = pid
        self.ready = False
        self.asked = False
        self.killed = False


class World:
    """A fleet with its processes; `now` moves by `pass_time` only."""

    def __init__(self, workers: int = 2, embedded: bool = False, grace_s: float = 30.0, chance: float = 0.5):
        self.names = tuple(f"worker-{n}" for n in range(1, workers + 1))
        plan = FleetPlan(workers=self.names, embedded_redis=embedded, grace_s=grace_s)
        self.fleet = Fleet(plan, lambda: chance)
        self.seats = {*self.names, KEEPER, *([REDIS] if embedded else [])}
        self.now = 1000.0
        self.processes: dict[str, Process] = {}
        self.actions: list[Action] = []
        self.announced = 0
        self.finish: Finish | None = None
        self._pids = 100

    # -- what happens ----------------------------------------------------------------------------

    def feed(self, event: Event) -> list[Action]:
        """Give the fleet an event and carry out what it wants; returns those actions."""
        actions = self.fleet.handle(event, self.now)
        for action in actions:
            self._carry_out(action)
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
        for _ in range(2):
            self.ready(*(seat for seat, process in self.processes.items() if not process.ready))

    def die(self, seat: str, code: int = -9) -> list[Action]:
        """End a child's process."""
        del self.processes[seat]
        return self.feed(Exited(seat, code))

    def fail_to_boot(self, seat: str, code: int = 78, text: str = "no such app") -> list[Action]:
        return [*self.feed(BootFailed(seat, code, text)), *self.die(seat, code)]

    def stop(self) -> list[Action]:
        return self.feed(StopAsked())

    def pass_time(self, seconds: float) -> list[Action]:
        """Let time pass, with a tick at each deadline on the way, as the shell does."""
        end, actions = self.now + seconds, []
        while True:
            wanted = self.fleet.next_deadline()
            if wanted is None or wanted > end:
                break
            self.now = max(self.now, wanted)
            actions += self.feed(Tick())
            assert self.fleet.next_deadline() != wanted, "a deadline that a tick does not move is a busy loop"
        self.now = end
        return actions + self.feed(Tick())

    def obey(self) -> None:
        """Let every child that was asked or killed come to its end."""
        while True:
            ending = [p for p in self.processes.values() if p.asked or p.killed]
            if not ending:
                return
            for process in ending:
                if self.processes.get(process.seat) is process:
                    self.die(process.seat, -9 if process.killed else 0)

    # -- what the fleet wants --------------------------------------------------------------------

    def _carry_out(self, action: Action) -> None:
        self.actions.append(action)
        assert self.finish is None, f"{action} after the end"
        match action:
            case Spawn(seat, role):
                self._spawn(seat, role)
            case AskToDrain(seat):
                assert seat != REDIS, "a server has no pipe of ours"
                if seat in self.processes:
                    self.processes[seat].asked = True
            case Terminate(seat):
                self.processes[seat].asked = True
            case Kill(seat):
                assert seat in self.processes, f"{action} kills nobody"
                self.processes[seat].killed = True
            case AnnounceReady():
                self.announced += 1
                assert self.announced == 1, "readiness is announced once"
                assert self.seats == {seat for seat, p in self.processes.items() if p.ready}
            case Finish():
                assert not self.processes, f"the daemon leaves {list(self.processes)} behind"
                self.finish = action

    def _spawn(self, seat: str, role: Role) -> None:
        assert seat in self.seats
        assert seat not in self.processes, f"two processes in seat {seat}"
        self._pids += 1
        process = self.processes[seat] = Process(seat, role, self._pids)
        assert len(self.processes) <= len(self.seats)
        process.ready = role is Role.REDIS
        self.feed(Forked(seat, self._pids))

    def check(self) -> None:
        """Hold the fleet's picture of its children equal to the world."""
        assert {seat.name: seat.pid for seat in self.fleet.alive()} == {
            seat: process.pid for seat, process in self.processes.items()
        }
