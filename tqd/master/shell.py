"""The master's loop: it carries out what the fleet decides, and tells the fleet what happened.

One thread, one selector, no wait for anybody: signals, deaths, frames and requests are descriptors,
and the select's timeout is the fleet's next deadline.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tqd.clock import chance, monotonic
from tqd.config.redact import redacted
from tqd.errors import Malformed
from tqd.log import Log
from tqd.master.control import Answer, ControlServer
from tqd.master.crew import Depths, Member, Totals
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
    Note,
    Role,
    Spawn,
    Started,
    StopAsked,
    Terminate,
    Tick,
)
from tqd.master.fleet import KEEPER, ChildState, Fleet, FleetPlan
from tqd.master.status import Identity, picture
from tqd.system import exits
from tqd.system.fork import ChildPipes, spawn
from tqd.system.notify import Notifier, status
from tqd.system.process import start_ticks
from tqd.system.signals import SignalSocket
from tqd.task.names import WorkerName
from tqd.wire.messages import (
    Beat,
    Drain,
    Failed,
    KeeperBeat,
    Message,
    Ready,
    Sampled,
    SampleRequest,
    WorkerGone,
    WorkerUp,
    decode_message,
    encode_message,
)

SAMPLE_WAIT_S = 0.04
"""How long a status waits for fresh figures of the queues before it is answered with the last ones."""

_READ_BYTES = 65_536
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD)

ChildMain = Callable[[ChildPipes], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildMains:
    """What the children of each role do. The keeper is told url and namespace of the app."""

    worker: Callable[[str], ChildMain]
    keeper: Callable[[str, str], ChildMain]
    redis: ChildMain | None


class Master:
    """Runs a fleet to its end: `run` returns the exit code and the reason when it is not 0."""

    def __init__(
        self,
        plan: FleetPlan,
        mains: ChildMains,
        who: Identity,
        control_path: str,
        on_ready: Callable[[], None],
        environ: Mapping[str, str],
    ) -> None:
        self._fleet = Fleet(plan, chance)
        self._mains = mains
        self._who = who
        self._on_ready = on_ready
        self._log = Log(role="master")
        self._notifier = Notifier(environ)
        self._selector = selectors.DefaultSelector()
        self._signals = SignalSocket(_SIGNALS)
        self._selector.register(self._signals, selectors.EVENT_READ, self._on_signals)
        self._control = ControlServer(control_path, self._selector, self._on_request)
        self._crew: dict[str, Member] = {}
        self._totals = Totals()
        self._depths = Depths()
        self._asking: list[tuple[Answer, float]] = []
        self._for_keeper: deque[Message] = deque()
        self._app = Ready("", "", 0)
        self._since = monotonic()
        self._finish: Finish | None = None

    def run(self) -> tuple[int, str]:
        """Run until the fleet has finished."""
        self._feed(Started())
        while self._finish is None:
            for key, events in self._selector.select(self._timeout()):
                key.data(events)
            self._answer_status(late=True)
            self._feed(Tick())
        self._control.close()
        return self._finish.code, self._finish.text

    def _timeout(self) -> float | None:
        times = [deadline for _, deadline in self._asking]
        wanted = self._fleet.next_deadline()
        if wanted is not None:
            times.append(wanted)
        return max(0.0, min(times) - monotonic()) if times else None

    def _feed(self, event: Event) -> None:
        for action in self._fleet.handle(event, monotonic()):
            self._act(action)

    def _act(self, action: Action) -> None:
        match action:
            case Spawn(seat, role):
                self._spawn(seat, role)
            case AskToDrain(seat, grace_s):
                self._send(seat, Drain(grace_s))
            case Terminate(seat):
                self._signal(seat, signal.SIGTERM)
            case Kill(seat, reason):
                self._log.error("child is killed", seat=seat, reason=reason)
                self._signal(seat, signal.SIGKILL)
            case AnnounceReady():
                self._announce()
            case Note(level, event, fields):
                getattr(self._log, level)(event, **fields)
            case Finish():
                self._finish = action

    def _announce(self) -> None:
        workers = len(self._fleet.alive(Role.WORKER))
        self._log.info("tqd is ready", workers=workers, handlers=self._app.handlers)
        self._notifier.send("READY=1", status(f"{workers} workers serve {self._who.app}"))
        self._on_ready()

    # -- children --------------------------------------------------------------------------------

    def _spawn(self, seat: str, role: Role) -> None:
        try:
            child = spawn(self._main(seat, role), self._ours())
        except OSError as error:
            # No process to be had now: for the fleet it is one that ended at once.
            self._log.error("a child could not be forked", seat=seat, error=str(error))
            self._feed(Exited(seat, exits.INTERNAL))
            return
        ticks = start_ticks(child.pid) or 0
        name = str(WorkerName(self._who.node, seat, child.pid, ticks))
        member = self._crew[seat] = Member(seat, child, name, monotonic())
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda _: self._on_death(member))
        self._selector.register(child.status_fd, selectors.EVENT_READ, lambda _: self._read(member))
        if role is Role.WORKER:
            self._tell_keeper(WorkerUp(name, child.pid))
        elif role is Role.KEEPER:
            self._introduce()
        self._feed(Forked(seat, child.pid))

    def _main(self, seat: str, role: Role) -> ChildMain:
        if role is Role.WORKER:
            return self._mains.worker(seat)
        if role is Role.KEEPER:
            return self._mains.keeper(self._app.redis_url, self._app.namespace)
        assert self._mains.redis is not None
        return self._mains.redis

    def _ours(self) -> list[int]:
        descriptors = [*self._signals.descriptors(), *self._control.descriptors(), self._selector.fileno()]
        for member in self._crew.values():
            descriptors += member.child.descriptors()
        return descriptors

    def _introduce(self) -> None:
        """Tell a new keeper who lives; deaths that the last one was not told are still to come."""
        gone = [message for message in self._for_keeper if isinstance(message, WorkerGone)]
        self._for_keeper = deque(gone)
        for seat in self._fleet.alive(Role.WORKER):
            member = self._crew.get(seat.name)
            if member is not None:
                self._tell_keeper(WorkerUp(member.name, member.child.pid))

    def _on_death(self, member: Member) -> None:
        result = os.waitid(os.P_PIDFD, member.child.pidfd, os.WEXITED | os.WNOHANG)
        if result is None:
            return
        self._read(member)  # its last words may come after its death
        if member.reading:
            self._selector.unregister(member.child.status_fd)
        self._selector.unregister(member.child.pidfd)
        member.child.close()
        del self._crew[member.seat]
        if self._fleet.seats[member.seat].role is Role.WORKER:
            self._tell_keeper(WorkerGone(member.name))
        code = result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
        self._feed(Exited(member.seat, code))

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
                self._log.error("child sends nonsense and is killed", seat=member.seat, error=str(error))
                self._stop_reading(member)
                self._signal(member.seat, signal.SIGKILL)
                return
            for message in messages:
                self._on_message(member, message)

    def _stop_reading(self, member: Member) -> None:
        member.reading = False
        self._selector.unregister(member.child.status_fd)

    def _on_message(self, member: Member, message: Message) -> None:
        now = monotonic()
        match message:
            case Beat():
                self._totals.advance(member.beat, message)
                member.beat, member.beat_at = message, now
            case KeeperBeat():
                self._totals.advance_keeper(member.keeper_beat, message)
                member.keeper_beat, member.beat_at = message, now
            case Ready(url):
                if url:
                    self._app = message
                    self._who = replace(self._who, redis_url=redacted(url))
                self._feed(BecameReady(member.seat))
            case Failed(code, text):
                self._feed(BootFailed(member.seat, code, text))
            case Sampled():
                self._depths.sample, self._depths.at = message, now
                self._answer_status(late=False)

    def _send(self, seat: str, message: Message) -> bool:
        member = self._crew.get(seat)
        if member is None:
            return False
        try:
            os.write(member.child.control_fd, encode_message(message))
        except (BlockingIOError, BrokenPipeError):
            return False
        return True

    def _tell_keeper(self, message: Message) -> None:
        self._for_keeper.append(message)
        while self._for_keeper and self._send(KEEPER, self._for_keeper[0]):
            self._for_keeper.popleft()

    def _signal(self, seat: str, number: signal.Signals) -> None:
        member = self._crew.get(seat)
        if member is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it is dead, and its pidfd says so next
            signal.pidfd_send_signal(member.child.pidfd, number)

    # -- signals and requests --------------------------------------------------------------------

    def _on_signals(self, events: int) -> None:
        for number in self._signals.read():
            if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                self._log.info("stopping", signal=number.name)
                self._notifier.send("STOPPING=1", status("draining"))
                self._feed(StopAsked())
            elif number is signal.SIGHUP:
                self._log.warning("SIGHUP is ignored: this version cannot reload; restart instead")

    def _on_request(self, request: dict[str, object], answer: Answer) -> None:
        if request.get("verb") != "status":
            answer({"error": f"unknown verb {request.get('verb')!r}; the verbs are: status"})
            return
        self._asking.append((answer, monotonic() + SAMPLE_WAIT_S))
        if self._fleet.seats[KEEPER].state is not ChildState.READY or not self._send(KEEPER, SampleRequest()):
            self._answer_status(late=False)

    def _answer_status(self, *, late: bool) -> None:
        if not self._asking:
            return
        now = monotonic()
        due = [answer for answer, deadline in self._asking if not late or now >= deadline]
        self._asking = [pair for pair in self._asking if late and now < pair[1]]
        for answer in due:
            answer(picture(self._who, self._fleet, self._crew, self._totals, self._depths, self._since, now))
