"""The living children as processes: forked, read, written to, signalled, reaped. Nothing is decided here."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections import deque
from collections.abc import Callable

from tqd.clock import monotonic
from tqd.errors import Malformed
from tqd.master import crash
from tqd.master.crew import Member
from tqd.master.events import Event, Exited, Forked, Role, Spawn
from tqd.master.fleet import Fleet
from tqd.master.journal import Journal
from tqd.master.kills import Kills
from tqd.master.launch import ChildMain
from tqd.master.reloads import Reloads
from tqd.master.reports import Reports
from tqd.master.seats import AT_WORK, KEEPER, ChildState, Seat, Step
from tqd.system import exits
from tqd.system.fork import spawn
from tqd.system.memory import MemorySense, room
from tqd.system.process import start_ticks
from tqd.task.names import WorkerName
from tqd.wire.messages import (
    Decided,
    Declared,
    Message,
    Remember,
    SampleRequest,
    WorkerGone,
    WorkerUp,
    decode_message,
    encode_message,
)

DUMP_READ_S = 1.0
"""How long after SIGUSR1 a child's stacks are read; at its death they are read anyway."""

LATE_PATIENCE_S = 10.0
"""A worker that comes later waits for Redis until so long before its boot timeout; the first ones and
those of a new generation are not that patient."""

FIRST_PATIENCE_S = 5.0

OWES_AFTER_S = 0.01
OWES_S = 2.0
"""A keeper that has not answered for that long waits for Redis: a status does not wait for it. After the
longer time it is asked anew, because what Redis refuses it is never answered."""

_READ_BYTES = 65_536
_MB = 1_048_576


class Children:
    """Owns the descriptors of all children; what happens to them goes to `feed` as events."""

    def __init__(
        self,
        node: str,
        fleet: Fleet,
        reloads: Reloads,
        journal: Journal,
        memory: MemorySense,
        selector: selectors.BaseSelector,
        feed: Callable[[Event], None],
        ours: Callable[[], list[int]],
        reports: Reports,
    ) -> None:
        self._node = node
        self._fleet = fleet
        self._reloads = reloads
        self._journal = journal
        self._memory = memory
        self._selector = selector
        self._feed = feed
        self._ours = ours
        self._reports = reports
        self._on_message = reports.take
        self._for_keeper: deque[Message] = deque()
        self._oom_kills = memory.oom_kills()
        self._kills = Kills()
        self.crew: dict[str, Member] = {}

    def pids(self) -> set[int]:
        """Return the pids of all children."""
        return {member.child.pid for member in self.crew.values()}

    # -- what the fleet wants --------------------------------------------------------------------

    def spawn(self, action: Spawn) -> None:
        """Fork the process of a seat."""
        seat, role = action.seat, action.role
        siblings = [fd for member in self.crew.values() for fd in member.child.descriptors()]
        try:
            child = spawn(self._main(action), [*self._ours(), *siblings])
        except OSError as error:
            # No process to be had now: for the fleet it is one that ended at once.
            self._journal.error("a child could not be forked", seat=seat, error=str(error))
            self._feed(Exited(seat, exits.INTERNAL))
            return
        name = str(WorkerName(self._node, seat, child.pid, start_ticks(child.pid) or 0))
        member = self.crew[seat] = Member(seat, child, name, monotonic())
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda _: self._on_death(member))
        self._selector.register(child.status_fd, selectors.EVENT_READ, lambda _: self._read(member))
        if role in AT_WORK:
            self._tell_keeper(WorkerUp(name, child.pid))
        elif role is Role.KEEPER:
            self._introduce()
        self._feed(Forked(seat, child.pid))

    def send(self, seat: str, message: Message) -> bool:
        """Write to a child; False when it did not take it: its pipe is full, or it is gone."""
        member = self.crew.get(seat)
        if member is None:
            return False
        try:
            os.write(member.child.control_fd, encode_message(message))
        except (BlockingIOError, BrokenPipeError):
            return False
        return True

    def broadcast(self, message: Message) -> None:
        """Write to all children that listen."""
        for seat in self._fleet.seats.alive():
            if seat.role is not Role.REDIS:
                self.send(seat.name, message)

    def signal(self, seat: str, number: signal.Signals) -> None:
        """Send a signal to a child, by its pidfd: never to a stranger that got its pid."""
        member = self.crew.get(seat)
        if member is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it is dead, and its pidfd says so next
            signal.pidfd_send_signal(member.child.pidfd, number)

    def dump(self, seat: str) -> None:
        """Have a child write its stacks; they are told soon."""
        member = self.crew.get(seat)
        if member is not None:
            member.blocked, member.dump_at = None, monotonic() + DUMP_READ_S
            self.signal(seat, signal.SIGUSR1)

    def dump_all(self) -> None:
        """Have all children of ours write their stacks."""
        for seat in self._fleet.seats.alive():
            if seat.role is not Role.REDIS:
                self.dump(seat.name)

    def sample(self, now: float) -> bool:
        """Ask the keeper for the queues' figures; False when waiting for them is of no use."""
        asked_at = self._reports.depths.asked_at
        owed_s = 0.0 if asked_at is None else now - asked_at
        if OWES_AFTER_S < owed_s < OWES_S:
            return False
        if self._fleet.seats[KEEPER].state is not ChildState.READY or not self.send(KEEPER, SampleRequest()):
            return False
        if asked_at is None or owed_s >= OWES_S:
            self._reports.depths.asked_at = now
        return True

    def room(self) -> int | None:
        """Return how many workers memory has room for beside those that live; at least one."""
        known = [member.pss_bytes for member in self.crew.values() if member.pss_bytes]
        fitting = room(self._memory.state(), max(known, default=0))
        return None if fitting is None else max(1, fitting)

    # -- deadlines -------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Return when `after` is wanted, on the monotonic clock."""
        times = [member.dump_at for member in self.crew.values() if member.dump_at is not None]
        return min(times, default=None)

    def after(self, now: float) -> None:
        """Tell the stacks that were asked for."""
        for member in list(self.crew.values()):
            if member.dump_at is not None and now >= member.dump_at:
                self._tell_dump(member)

    def _tell_dump(self, member: Member) -> None:
        member.dump_at = None
        stacks = member.child.read_dump()
        if stacks:
            told = without_ours(stacks)
            member.stacks = told
            self._journal.warning("stacks", seat=member.seat, pid=member.child.pid, traceback=told)

    # -- births and deaths -----------------------------------------------------------------------

    def _main(self, action: Spawn) -> ChildMain:
        launch = self._reloads.launch(action.generation)
        if action.role in AT_WORK:
            patience_s = FIRST_PATIENCE_S
            if action.patient:
                patience_s = max(FIRST_PATIENCE_S, launch.plan.boot_timeout_s - LATE_PATIENCE_S)
            main = launch.mains.worker if action.role is Role.WORKER else launch.mains.probe
            # Told at its birth: on a busy machine a message could come after its first claim.
            return main(action.seat, patience_s, self._fleet.quiet(self._fleet.seats[action.seat]))
        if action.role is Role.KEEPER:
            return launch.mains.keeper(self._reports.app.redis_url, self._reports.app.namespace)
        assert launch.mains.redis is not None
        return launch.mains.redis

    def _introduce(self) -> None:
        """Tell a new keeper who lives; deaths that the last one was not told are still to come."""
        gone = [message for message in self._for_keeper if isinstance(message, WorkerGone)]
        self._for_keeper = deque(gone)
        self._reports.depths.asked_at = None
        for seat in self._fleet.seats.alive(*AT_WORK):
            member = self.crew.get(seat.name)
            if member is not None:
                self._tell_keeper(WorkerUp(member.name, member.child.pid))

    def _on_death(self, member: Member) -> None:
        result = os.waitid(os.P_PIDFD, member.child.pidfd, os.WEXITED | os.WNOHANG)
        if result is None:
            return
        self._read(member)  # its last words may come after its death
        self._tell_dump(member)
        if member.reading:
            self._stop_reading(member)
        self._selector.unregister(member.child.pidfd)
        code = result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
        oom = self._oom(member) if code == -signal.SIGKILL else None
        guilty = self._tell_end(member, self._fleet.seats[member.seat], code, oom)
        self._reports.gone(member)
        member.close()
        del self.crew[member.seat]
        self._feed(Exited(member.seat, code, oom, guilty, member.begun, member.outlived))

    def _tell_end(self, member: Member, seat: Seat, code: int, oom: bool | None) -> bool:
        """Tell the keeper what has ended, and of what; returns whether a probe's task is the reason."""
        if seat.role not in AT_WORK:
            return False
        ended = seat.step > Step.DUMPED
        culprit = member.culprit(seat.killed_for, seat.killed_for == seat.hard_text) if ended else []
        now = monotonic()
        told, blame = crash.weighed(seat, member.death(code, oom, now), self._kills, now)
        guilty = not culprit and crash.guilty(seat, told)
        text = ""
        if guilty:
            culprit, text = crash.culprit(seat, told), crash.report(seat, told)
        self._tell_keeper(WorkerGone(member.name, culprit, text, blame, crash.suspect(seat, told)))
        return guilty

    def _oom(self, member: Member) -> bool | None:
        """Tell whether the kernel has counted a kill for want of memory since the last look."""
        before, self._oom_kills = self._oom_kills, self._memory.oom_kills()
        if before is None or self._oom_kills is None:
            return None
        if self._oom_kills > before:
            rss = member.beat.rss_bytes if member.beat else None
            state = self._memory.state()
            self._journal.error(
                "the kernel was out of memory", seat=member.seat, pid=member.child.pid,
                rss_mb=None if rss is None else round(rss / _MB), limit=state.origin,
                limit_mb=None if state.limit_bytes is None else round(state.limit_bytes / _MB),
            )  # fmt: skip
        return self._oom_kills > before

    # -- frames ----------------------------------------------------------------------------------

    def _read(self, member: Member) -> None:
        while member.reading:
            try:
                data = os.read(member.child.status_fd, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                # Not its death: a task may have forked and closed, or the other way round.
                self._stop_reading(member)
                return
            try:
                messages = [decode_message(frame) for frame in member.frames.feed(data)]
            except Malformed as error:
                self._journal.error("child sends nonsense and is killed", seat=member.seat, error=str(error))
                self._stop_reading(member)
                self.signal(member.seat, signal.SIGKILL)
                return
            for message in messages:
                self._route(member, message)
            if len(data) < _READ_BYTES:
                return

    def _route(self, member: Member, message: Message) -> None:
        match message:
            case Declared():
                self.send(KEEPER, message)  # lost, it looks by itself some seconds later
            case Remember() | Decided():
                self._reports.recollection.take(message)
            case _:
                self._on_message(member, message)

    def _stop_reading(self, member: Member) -> None:
        member.reading = False
        self._selector.unregister(member.child.status_fd)

    def _tell_keeper(self, message: Message) -> None:
        self._for_keeper.append(message)
        while self._for_keeper and self.send(KEEPER, self._for_keeper[0]):
            self._for_keeper.popleft()


def without_ours(stacks: str) -> str:
    """Return stacks without the frames below the fork: they are the master's, at the time of the fork."""
    kept, below = [], False
    for line in stacks.splitlines():
        frame = line.lstrip().startswith("File ")
        below = frame and (below or line.rstrip().endswith(" in _child"))
        if not below:
            kept.append(line)
    return "\n".join(kept)
