"""The demo's course: enqueue, watch, kill, wait. Each step is done at each tick, as far as it is due."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Sequence
from typing import Any

from tqd.cli.demo_account import Ledger, account
from tqd.cli.demo_counters import counters, disagreements
from tqd.cli.demo_daemon import Daemon, journal_directory
from tqd.cli.demo_journal import Journal
from tqd.cli.demo_plan import BURST, BURST_AT_S, RANKED, Work, call
from tqd.cli.demo_screen import Screen
from tqd.cli.demo_tasks import tq
from tqd.cli.demo_view import Happening, Picture, Tone
from tqd.clock import monotonic, pause
from tqd.errors import StoreError
from tqd.store.connection import Endpoint
from tqd.system.runtime import RuntimeDirectory

TICK_S = 0.1
STATUS_EVERY_S = 0.25
BATCH = 5_000
"""Tasks enqueued in one tick at most, so that the view goes on."""

KILL_AT, HELD = 0.45, 3
"""The share of tasks done when a worker is killed, and how many running ones it must have in hand."""

STALLED_S = 10.0
"""Without any task done for so long, what is missing does not come any more."""

BEATS_S = 4.0
"""How long the last beats may take: a living worker sends one each second."""


class Run:
    """One performance. `play` does it; the attributes are what the account is made of."""

    def __init__(
        self, daemon: Daemon, place: RuntimeDirectory, works: Sequence[Work], screen: Screen
    ) -> None:
        self._daemon = daemon
        self._place = place
        self._screen = screen
        self._journal = Journal(journal_directory(place))
        self._happenings: list[Happening] = []
        self._recent: deque[tuple[float, int]] = deque()
        self._start = monotonic()
        self._fed_from = 0.0
        self._next_status = 0.0
        self._in_hand: set[int] = set()
        self._killed_at = 0.0
        self._pids: dict[str, int] = {}
        self._told_back = False
        self.works = works
        self.ledger = Ledger()
        self.enqueued = 0
        self.enqueued_at: dict[int, float] = {}
        self.killed: int | None = None
        self.status: dict[str, Any] = {}

    def play(self) -> list[str]:
        """Run to the end; returns where tqd's counters contradict the journal, which is nowhere."""
        self._daemon.start()
        self._take(self._daemon.wait_ready())
        self._happened(f"the daemon is ready: {self._crew()}")
        tq.bind(Endpoint(f"unix://{self._place.redis_socket}"), "tqd")
        self._fed_from = monotonic()
        try:
            self._until_done()
            return self._until_counted()
        finally:
            tq.close()

    def read_journal(self) -> None:
        """Take in what the tasks have written since the last time."""
        self.ledger.note(self._journal.read())

    def _until_done(self) -> None:
        moved, done = monotonic(), -1
        while True:
            tick = monotonic()
            self._feed(tick)
            self._look(tick)
            if len(self.ledger.done) != done:
                moved, done = tick, len(self.ledger.done)
            dead = self.status["dead_letters"] or 0
            if self.enqueued == len(self.works) and done + dead >= len(self.works):
                self._happened("all have ended; the workers' last beats are waited for")
                return
            if tick - moved >= STALLED_S:
                self._happened(f"nothing was done for {STALLED_S:g} s: the demo gives up", Tone.BAD)
                return
            if self.killed is None and done >= KILL_AT * len(self.works):
                self._kill()
            pause(max(0.0, tick + TICK_S - monotonic()))

    def _until_counted(self) -> list[str]:
        deadline = monotonic() + BEATS_S
        while True:
            status = self._daemon.status()
            if status is not None:
                self._take(status)
            self.read_journal()
            dead = counters(self.status, self.ledger).dead
            result = account(self.ledger, self.enqueued, self.killed, dead)
            found = disagreements(self.status, self.ledger, result, self.killed)
            now = monotonic()
            self._screen.show(self._picture(now))
            if not found or now >= deadline:
                return found
            pause(STATUS_EVERY_S)

    def _feed(self, now: float) -> None:
        due_s, first = now - self._fed_from, self.enqueued
        last = first
        while last < len(self.works) and last - first < BATCH and self.works[last].at_s <= due_s:
            last += 1
        if last == first:
            return
        wave = self.works[first:last]
        at = monotonic()
        try:
            tq.enqueue_many([call(work) for work in wave])
        except StoreError:
            self._daemon.status()  # when the daemon is gone, that is the better reason
            raise
        self.enqueued_at.update(dict.fromkeys((work.number for work in wave), at))
        self.enqueued = last
        if wave[0].at_s <= BURST_AT_S <= wave[-1].at_s and any(w.queue != wave[0].queue for w in wave):
            self._happened(f"a burst: {RANKED} tasks each for {', '.join(BURST)}")
        if last == len(self.works):
            self._happened(f"all {last:,} tasks are enqueued")

    def _look(self, now: float) -> None:
        if now >= self._next_status:
            self._next_status = now + STATUS_EVERY_S
            status = self._daemon.status()
            if status is not None:
                self._take(status)
        self.read_journal()
        self._recovery()
        self._screen.show(self._picture(now))

    def _take(self, status: dict[str, Any]) -> None:
        for worker in status["workers"]:
            before, pid = self._pids.get(worker["id"]), worker["pid"]
            if before is not None and pid not in (before, None):
                self._happened(f"{worker['id']} is back as pid {pid}", Tone.GOOD)
            if pid is not None:
                self._pids[worker["id"]] = pid
        self.status = status

    def _kill(self) -> None:
        held = {pid: self.ledger.in_hand.get(pid, set()) for pid in self._pids.values()}
        pid = max(held, key=lambda one: len(held[one]))
        label = next(label for label, one in self._pids.items() if one == pid)
        if len(held[pid]) < HELD:
            return
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # it has just ended by itself; the status will say who came after it
        self.killed, self._killed_at = pid, monotonic()
        self.read_journal()
        self._in_hand = set(self.ledger.in_hand[pid])
        self._happened(f"kill -9 for {label} (pid {pid}), with {len(self._in_hand)} running tasks", Tone.BAD)

    def _recovery(self) -> None:
        if self.killed is None or self._told_back:
            return
        moments = self.ledger.again(self._in_hand, self.killed)
        if len(moments) == len(self._in_hand):
            self._told_back = True
            after_s = max(moments) - self._killed_at
            self._happened(
                f"all {len(moments)} run again elsewhere, {after_s:.2f} s after the kill", Tone.GOOD
            )

    def _picture(self, now: float) -> Picture:
        done = len(self.ledger.done)
        self._recent.append((now, done))
        while now - self._recent[0][0] > 1.0 and len(self._recent) > 2:
            self._recent.popleft()
        then, before = self._recent[0]
        return Picture(
            elapsed_s=now - self._start,
            total=len(self.works),
            enqueued=self.enqueued,
            done=done,
            per_s=(done - before) / (now - then) if now > then else 0.0,
            running=sum(len(held) for pid, held in self.ledger.in_hand.items() if pid != self.killed),
            retried=self.ledger.raised,
            recovered=len(self.ledger.again(self._in_hand, self.killed)) if self.killed else 0,
            status=self.status,
            happenings=self._happenings,
        )

    def _crew(self) -> str:
        return ", ".join(f"{label} (pid {pid})" for label, pid in self._pids.items())

    def _happened(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        self._happenings.append(Happening(monotonic() - self._start, text, tone))
