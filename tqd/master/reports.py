"""What the children report: counted, kept for the status, and handed to the fleet as events."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tqd.clock import monotonic
from tqd.master.crew import Depths, Member, Totals
from tqd.master.events import (
    BecameReady,
    BootFailed,
    Event,
    HardLimitSet,
    Heard,
    Role,
    Suspected,
    Weighed,
)
from tqd.master.fleet import Fleet
from tqd.master.journal import Journal
from tqd.master.recollection import Recollection
from tqd.master.seats import KEEPER, ChildState
from tqd.master.telemetry import Telemetry
from tqd.system.usage import ProcessMemory
from tqd.wire.messages import (
    Beat,
    Begun,
    Blocked,
    Doomed,
    Failed,
    HardDeadline,
    Holding,
    KeeperBeat,
    Message,
    Ready,
    Sampled,
)

PSS_EVERY_S = 15.0
PSS_CHANGED = 0.1
"""By what share resident memory has to change before PSS is read again sooner."""

MOST_WEIGHED = 8
"""Workers whose PSS is read at one scaling decision."""

MOST_TOGETHER = 64
"""Workers that are weighed at once when the crew has changed: of a page that more of them share, one more or
less changes next to nothing."""

PSS_CLOSE = 0.8
"""Above this share of its limit a worker's PSS is read with every beat."""


class Reports:
    """The totals, the queues and the app as the children tell them; events go to `feed`."""

    def __init__(
        self, fleet: Fleet, journal: Journal, feed: Callable[[Event], None], queues: tuple[str, ...]
    ) -> None:
        self._fleet = fleet
        self._journal = journal
        self._feed = feed
        self._usage = ProcessMemory()
        self._weighed: frozenset[tuple[int, bool]] = frozenset()
        self.totals = Totals()
        self.telemetry = Telemetry(self.totals, monotonic())
        self.depths = Depths(queues)
        self.app = Ready("", "", 0)
        self.recollection = Recollection()

    def gone(self, member: Member) -> None:
        """Take in the last of a process that was reaped: its pid may be given to another."""
        self.telemetry.pull(member)
        self._usage.forget(member.child.pid)

    def refresh(self, members: Iterable[Member]) -> None:
        """Take in what the living have counted up to now."""
        for member in members:
            self.telemetry.pull(member)
        self.telemetry.windows.pass_to(monotonic())

    def weigh(self, members: Iterable[Member], now: float) -> None:
        """Read the memory anew of the workers that have grown or shrunk most since their last reading; of all
        when one has become ready or left since.

        A reading takes 0.4 ms of a small process and more of a large one, and the master waits for it: so
        not of those that are as they were. But who comes or goes changes the share of the others, whose own
        size is as it was: readings of two crews do not add up.
        """
        members, seats = list(members), self._fleet.seats
        crew = frozenset((member.child.pid, seats[member.seat].ready_at > 0) for member in members)
        if crew != self._weighed:
            self._weighed = crew
            for member in sorted(members, key=lambda member: member.pss_at)[:MOST_TOGETHER]:
                self._weigh(member, now)
            return
        changed = [(_changed(member), member) for member in members]
        changed = [pair for pair in changed if pair[0] > PSS_CHANGED]
        for _, member in sorted(changed, key=lambda pair: -pair[0])[:MOST_WEIGHED]:
            self._weigh(member, now)

    def _weigh(self, member: Member, now: float) -> None:
        pid = member.child.pid
        member.pss_bytes, member.pss_at = self._usage.pss_bytes(pid), now
        member.pss_rss_bytes = self._usage.rss_bytes(pid) or 0

    def take(self, member: Member, message: Message) -> None:
        """Take in one message of a child."""
        seat, now = member.seat, monotonic()
        match message:
            case Beat():
                self._on_beat(member, message, now)
            case KeeperBeat():
                self.totals.advance_keeper(member.keeper_beat, message)
                self.telemetry.pull(member)
                self.telemetry.windows.pass_to(now)
                member.keeper_beat, member.beat_at = message, now
                self._feed(Heard(seat))
                if message.suspects != self._fleet.wanted.suspects:
                    self._feed(Suspected(message.suspects))
            case Holding() | Begun() | Doomed():
                member.hear(message, now)
            case HardDeadline():
                member.hard = message
                text = _too_long(message)
                self._feed(HardLimitSet(seat, now + message.left_s if message.task_id else None, text))
            case Blocked():
                self._on_blocked(member, message)
            case Ready(url):
                if url:
                    self.app = message
                if seat == KEEPER:
                    self.recollection.close()
                self._feed(BecameReady(seat))
            case Failed(code, text):
                self._feed(BootFailed(seat, code, text))
            case Sampled():
                self.depths.take(message, now)

    def _on_beat(self, member: Member, beat: Beat, now: float) -> None:
        seat = self._fleet.seats[member.seat]
        if seat.role is Role.WORKER:  # a probe's slot is no room for work
            leaving = seat.leaving or seat.state is ChildState.DRAINING
            self.telemetry.on_beat(member.beat, beat, leaving)
        self.telemetry.pull(member)
        self.telemetry.windows.pass_to(now)
        self.totals.rate.add(now, self.totals.done)
        member.rate.add(now, beat.done)
        member.beat, member.beat_at = beat, now
        member.rss.append((now, beat.rss_bytes))
        self._feed(Heard(member.seat, beat.busy, beat.done, beat.claiming))
        limits = self._fleet.wanted.plan.limits
        close = limits.max_pss_bytes and beat.rss_bytes > PSS_CLOSE * limits.max_pss_bytes
        if close or now - member.pss_at >= PSS_EVERY_S:
            self._weigh(member, now)
        elif limits.max_pss_bytes:
            return  # a reading without PSS would not count
        if limits.max_rss_bytes or limits.max_pss_bytes:
            self._feed(Weighed(member.seat, beat.rss_bytes, member.pss_bytes))

    def _on_blocked(self, member: Member, message: Blocked) -> None:
        member.blocked = message
        self._journal.error(
            "a task blocks its worker's loop", seat=member.seat, task=message.task_id.hex(),
            name=message.name, at=message.place, silent_s=round(monotonic() - member.beat_at, 1),
        )  # fmt: skip


def _changed(member: Member) -> float:
    """Return by what share the resident memory has changed since the last reading of PSS."""
    if not member.rss:
        return 0.0
    if member.sizes()[1] is None:
        return 1.0
    return abs(member.rss[-1][1] - member.pss_rss_bytes) / max(1, member.pss_rss_bytes)


def _too_long(told: HardDeadline) -> str:
    if told.cancelled:
        return f'task "{told.name}" went on for {told.limit_s:g} s after it was cancelled'
    return f'task "{told.name}" ran longer than its hard_timeout of {told.limit_s:g} s'
