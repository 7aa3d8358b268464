"""The master's loop: it carries out what the fleet decides, and tells the fleet what happened.

One thread, one selector, no wait for anybody: signals, deaths, frames and requests are descriptors,
and the select's timeout is the next deadline.
"""

from __future__ import annotations

import faulthandler
import selectors
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from tqd.clock import chance, monotonic, wall_iso
from tqd.config.redact import redacted
from tqd.errors import ConfigError
from tqd.log import Log
from tqd.master.absence import Absence
from tqd.master.asking import Asking
from tqd.master.children import Children
from tqd.master.control import Answer, ControlServer
from tqd.master.events import (
    Abort,
    Action,
    AnnounceReady,
    AskToDrain,
    Away,
    Dump,
    Event,
    Finish,
    Haste,
    Kill,
    Note,
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
    Terminate,
    Tick,
)
from tqd.master.fleet import Fleet, Phase
from tqd.master.herald import Herald
from tqd.master.journal import Journal
from tqd.master.launch import Launch, Relaunch
from tqd.master.reloads import SERVING, Reloads
from tqd.master.reports import Reports
from tqd.master.scaling import Scaling
from tqd.master.status import Identity, Sight, last_line, picture, summary
from tqd.master.verbs import Request, by_signal, serve
from tqd.system.logfile import reopen
from tqd.system.memory import MemorySense
from tqd.system.notify import Notifier
from tqd.system.orphans import reap_orphans
from tqd.system.output import log_to_stderr
from tqd.system.signals import SignalSocket
from tqd.system.usage import rss_bytes_of
from tqd.wire.messages import Drain, Quiet, ReopenLog

_SIGNALS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGTTIN,
    signal.SIGTTOU, signal.SIGTSTP, signal.SIGCONT, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip


class Master:
    """Runs a fleet to its end: `run` returns the exit code and the reason when it is not 0.

    `log_path` is the file that the daemon writes its log to, empty when it writes to what it was given.
    """

    def __init__(
        self,
        launch: Launch,
        relaunch: Relaunch,
        who: Identity,
        control_path: str,
        on_ready: Callable[[], None],
        environ: Mapping[str, str],
        log_path: str = "",
    ) -> None:
        self._who = who
        self._on_ready = on_ready
        self._log_path = log_path
        self._since = monotonic()
        self._fleet = Fleet(launch.plan, chance)
        self._reloads = Reloads(launch, relaunch)
        self._journal = Journal(Log(role="master"), wall_iso)
        self._memory = MemorySense()
        self._herald = Herald(Notifier(environ), self._since)
        self._selector = selectors.DefaultSelector()
        self._signals = SignalSocket(_SIGNALS)
        self._selector.register(self._signals, selectors.EVENT_READ, self._on_signals)
        self._control = ControlServer(control_path, self._selector, self._on_request)
        self._reports = Reports(self._fleet, self._journal, self._feed, launch.config.queues.names)
        self._children = Children(
            who.node, self._fleet, self._reloads, self._journal, self._memory, self._selector, self._feed,
            self._ours, self._reports,
        )  # fmt: skip
        self._scaling = Scaling(
            lambda: self._reloads.current.config, self._fleet, self._children, self._reports, self._memory,
            self._journal, self._feed, self._since,
        )  # fmt: skip
        self._events: deque[Event] = deque()
        self._asking = Asking(self._children, self._reports.depths, self._picture)
        self._absence = Absence(self._since)
        self._orphans = False
        self._finish: Finish | None = None

    def run(self) -> tuple[int, str]:
        """Run until the fleet has finished."""
        self._feed(Started())
        while self._finish is None:
            ready = self._selector.select(self._absence.waits(monotonic(), self._timeout()))
            self._pardon(self._absence.woke(monotonic()))
            for key, events in ready:
                key.data(events)
            self._after()
        self._control.close()
        return self._finish.code, self._finish.text

    def _after(self) -> None:
        """Do what is due after a round of events."""
        if self._orphans:
            self._orphans = reap_orphans(self._children.pids())
        self._children.after(monotonic())
        self._asking.after(monotonic())
        now = monotonic()
        self._scaling.after(now)
        due = self._fleet.next_deadline()
        if due is not None and now >= due:
            self._pardon(self._absence.worked(monotonic()))
            self._feed(Tick())
        self._reloads.tell_progress(self._fleet)
        if (wanted := self._herald.next_deadline()) is not None and now >= wanted:
            self._herald.tick(self._summary(), now)

    def _pardon(self, away_s: float) -> None:
        """Have nobody blamed for a time in which the master was deaf."""
        if away_s:
            self._feed(Away(away_s))

    def _timeout(self) -> float | None:
        if self._orphans:
            return 0.0
        owners = (self._fleet, self._herald, self._children, self._scaling, self._asking)
        times = [wanted for owner in owners if (wanted := owner.next_deadline()) is not None]
        return max(0.0, min(times) - monotonic()) if times else None

    def _feed(self, event: Event) -> None:
        """Hand an event to the fleet and do what it wants. What happens meanwhile comes after that: actions
        are carried out in the order in which they were decided."""
        self._events.append(event)
        if len(self._events) > 1:
            return
        while self._events:
            for action in self._fleet.handle(self._events[0], monotonic()):
                self._act(action)
            self._events.popleft()

    def _act(self, action: Action) -> None:
        children = self._children
        match action:
            case Spawn():
                children.spawn(action)
            case AskToDrain(seat, grace_s):
                children.send(seat, Drain(grace_s))
            case SetQuiet(seat, quiet):
                children.send(seat, Quiet(quiet))
            case Terminate(seat):
                children.signal(seat, signal.SIGTERM)
            case Dump(seat):
                children.dump(seat)
            case Abort(seat, reason):
                self._journal.error("child is aborted", seat=seat, reason=reason)
                children.signal(seat, signal.SIGABRT)
            case Kill(seat, reason):
                self._journal.error("child is killed", seat=seat, reason=reason)
                children.signal(seat, signal.SIGKILL)
            case Note(level, event, fields):
                self._journal.tell(level, event, fields)
            case AnnounceReady():
                self._announce()
            case RollBegan() | RollSwitched() | RollServing() | RollDone() | RollRefused():
                self._roll(action)
            case Finish():
                self._finish = action

    def _announce(self) -> None:
        workers = len(self._fleet.seats.alive(Role.WORKER))
        self._journal.info("tqd is ready", workers=workers, handlers=self._reports.app.handlers)
        self._herald.ready(self._summary())
        self._on_ready()

    def _roll(self, action: RollBegan | RollSwitched | RollServing | RollDone | RollRefused) -> None:
        now, reloads = monotonic(), self._reloads
        match action:
            case RollBegan(generation):
                reloads.began(generation)
                self._journal.info("reload has begun", generation=generation)
            case RollSwitched(generation):
                reloads.switched(generation)
                config = reloads.current.config
                log_to_stderr(config.logging.level, config.logging.format)
                self._reports.depths.watch(config.queues.names)
            case RollServing(generation):
                said = reloads.serving(generation, now)
                self._scaling.reloaded(now)
                self._journal.info("reloaded", generation=generation, changes=said)
                self._herald.ready(self._summary())
            case RollDone(generation):
                reloads.done(generation)
                self._journal.info("the old workers are gone", generation=generation)
            case RollRefused(generation, reason):
                reloads.refused(generation, reason, now)
                self._refused(reason)

    def _refused(self, reason: str) -> None:
        self._journal.error("reload refused: the old workers go on", reason=reason)
        if self._fleet.phase is Phase.RUNNING:
            self._herald.ready(f"reload refused: {last_line(reason)}")

    def _ours(self) -> list[int]:
        """Return the descriptors that a child must close."""
        return [*self._signals.descriptors(), *self._control.descriptors(), self._selector.fileno()]

    # -- signals and requests --------------------------------------------------------------------

    def _on_signals(self, events: int) -> None:
        for number in self._signals.read():
            if number is signal.SIGCHLD:
                self._orphans = True
            elif number is signal.SIGUSR1:
                self._reopen_and_dump()
            elif not by_signal(self, number):
                self._journal.info("status", signal=number.name, text=self._summary())

    def _reopen_and_dump(self) -> None:
        if self._log_path:
            try:
                reopen(self._log_path)
            except OSError as error:
                self._journal.error("the log cannot be reopened", path=self._log_path, error=str(error))
            self._children.broadcast(ReopenLog(self._log_path))
        self._journal.info("stacks are asked for", signal="SIGUSR1")
        faulthandler.dump_traceback(sys.stderr)
        self._children.dump_all()

    def _on_request(self, request: Request, answer: Answer) -> None:
        serve(self, request, answer)

    def events(self, count: int) -> list[dict[str, object]]:
        """Return the last events."""
        return self._journal.last(count)

    @property
    def scaling(self) -> Scaling:
        """Return what decides about the number of workers."""
        return self._scaling

    @property
    def stopping(self) -> bool:
        """Whether it is on its way out."""
        return self._fleet.phase in (Phase.STOPPING, Phase.STOPPED)

    def stop(self, haste: Haste | None, why: str) -> None:
        """Begin to stop, or be quicker about it."""
        self._journal.info("stopping", signal=why)
        self._herald.stopping(monotonic())
        self._feed(StopAsked(haste))
        self._reloads.give_up("the daemon is stopping")

    def quiet(self, quiet: bool, why: str) -> bool:
        """Claim nothing, or claim again; returns whether that changes anything."""
        if quiet is self._fleet.wanted.quiet:
            return False
        self._journal.info("quiet: no task is claimed" if quiet else "tasks are claimed again", signal=why)
        self._feed(QuietAsked(quiet))
        return True

    @property
    def workers(self) -> int:
        """How many workers are wanted."""
        return self._fleet.wanted.workers

    def resize(self, workers: int, why: str) -> None:
        """Want so many workers."""
        if (was := self.workers) != workers:
            self._journal.info("resized", was=was, workers=workers, signal=why)
            self._feed(ResizeAsked(workers))
        self._scaling.ordered(workers, was, monotonic())

    def refuse(self, reason: str, why: str) -> None:
        """Say that what was asked for without an answer is not done."""
        self._journal.warning("refused", reason=reason, signal=why)

    def reload(self, why: str, answer: Answer | None, until: str = SERVING) -> None:
        """Begin a reload; the answer comes when it has come so far, or with the reason of a refusal."""
        now = monotonic()
        if self.stopping:
            if answer is not None:
                answer({"ok": False, "error": "the daemon is stopping: start it again instead"})
            return
        self._journal.info("reload is asked for", signal=why)
        self._herald.reloading(now)
        try:
            launch, keeper = self._reloads.prepare(self._children.room())
        except ConfigError as error:
            if answer is not None:
                answer({"ok": False, "error": str(error)})
            self._reloads.refused(0, str(error), now)
            self._refused(str(error))
            return
        if answer is not None:
            self._reloads.wait(answer, until)
        self._feed(ReloadAsked(launch.plan, keeper))

    def ask_status(self, answer: Answer) -> None:
        """Answer with the picture of the daemon."""
        self._asking.ask(answer)

    def _summary(self) -> str:
        return summary(self._fleet, self._children.crew, self._reports.totals, self._reloads)

    def _picture(self) -> dict[str, object]:
        crew = self._children.crew
        self._reports.refresh(crew.values())
        workers = [crew[seat.name] for seat in self._fleet.seats.workers() if seat.name in crew]
        self._reports.weigh(workers, monotonic())
        who = replace(self._who, redis_url=redacted(self._reports.app.redis_url) or self._who.redis_url)
        sight = Sight(
            self._fleet, self._children.crew, self._reports.totals, self._reports.depths, self._reloads,
            self._memory.state(), self._journal.last(20), rss_bytes_of(who.pid), self._reports.telemetry,
            self._scaling.picture(monotonic()),
        )  # fmt: skip
        return picture(who, sight, self._since, monotonic())
