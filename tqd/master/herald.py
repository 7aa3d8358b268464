"""What systemd is told, and when: readiness, reloads, the stop, a line of text, and the watchdog.

The watchdog is fed from the master's loop only: when that hangs, nobody else says that all is well.
"""

from __future__ import annotations

from collections import deque

from tqd.system.notify import Notifier, status

STATUS_EVERY_S = 5.0
RETRY_S = 0.5
MOST_UNSAID = 16
"""When systemd's queue is full for long, the oldest messages are given up: later ones supersede them."""

EXTEND_EVERY_S = 1.0
EXTEND_BY_S = 5.0
"""While starting, reloading or stopping, systemd is asked for so much more time, again and again: both have
deadlines of their own, kept by the fleet."""


class Herald:
    """Speaks to systemd through a notifier; silent when there is none."""

    def __init__(self, notifier: Notifier, now: float) -> None:
        self._notifier = notifier
        self._watchdog_s = notifier.watchdog_s
        self._fed = now
        self._extended = now
        self._said = now
        self._text = ""
        self._waiting = True
        self._unsaid: deque[tuple[str, ...]] = deque(maxlen=MOST_UNSAID)
        self._retried = now

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted, on the monotonic clock; None without systemd."""
        if not self._notifier.present:
            return None
        times = [self._said + STATUS_EVERY_S]
        if self._watchdog_s:
            times.append(self._fed + self._watchdog_s / 2)
        if self._waiting:
            times.append(self._extended + EXTEND_EVERY_S)
        if self._unsaid:
            times.append(self._retried + RETRY_S)
        return min(times)

    def tick(self, text: str, now: float) -> None:
        """Feed the watchdog, ask for time, and bring the line of text up to date, each when it is due."""
        if self._unsaid and now >= self._retried + RETRY_S:
            self._retried = now
            self._catch_up()
        if self._watchdog_s and now >= self._fed + self._watchdog_s / 2:
            self._fed = now
            self._say("WATCHDOG=1")
        if self._waiting and now >= self._extended + EXTEND_EVERY_S:
            self._extended = now
            self._say(f"EXTEND_TIMEOUT_USEC={round(EXTEND_BY_S * 1_000_000)}")
        if now >= self._said + STATUS_EVERY_S:
            self._said = now
            if text != self._text:
                self._text = text
                self._say(status(text))

    def ready(self, text: str) -> None:
        """Say that the daemon serves: for the first time, or again after a reload, done or refused."""
        self._waiting = False
        self._text = text
        self._say("READY=1", status(text))

    def reloading(self, now: float) -> None:
        """Say that a reload has begun; `ready` has to follow."""
        # A reload has deadlines of its own as well: systemd must not give up on it before.
        self._waiting, self._extended = True, now - EXTEND_EVERY_S
        self._say("RELOADING=1", f"MONOTONIC_USEC={round(now * 1_000_000)}")

    def stopping(self, now: float) -> None:
        """Say that the daemon is on its way out."""
        self._waiting, self._extended, self._said = True, now - EXTEND_EVERY_S, now
        self._say("STOPPING=1", status("draining"))

    def _say(self, *lines: str) -> None:
        """Say it, after what systemd has not taken yet: READY=1 may not get lost, nor overtake."""
        self._unsaid.append(lines)
        self._catch_up()

    def _catch_up(self) -> None:
        while self._unsaid:
            if not self._notifier.send(*self._unsaid[0]) and self._notifier.present:
                return
            self._unsaid.popleft()
