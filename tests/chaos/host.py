"""A daemon as its supervisor sees it: processes to kill and to stop, and what it says of itself."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

from tests.support.daemon import Daemon, alive, children, started
from tests.support.wait import until

WHOLE_S = 40.0


class Host(Daemon):
    """Asked over its control socket, which is quick; what it names is remembered, to be ended in the end."""

    flags: tuple[str, ...] = ()

    def status(self) -> dict[str, Any]:
        """Return its own picture of itself; without a master only that."""
        try:
            answer = self.ask(verb="status")
        except (OSError, ValueError):
            return {"state": "not running"}
        rows = [answer.get("master"), answer.get("keeper")]
        rows += [*answer.get("probes", []), *answer.get("workers", [])]
        pids = [row["pid"] for row in rows if row and row["pid"]]
        self._seen |= {(pid, ticks) for pid in pids if (ticks := started(pid))}
        return answer

    @property
    def main(self) -> int:
        """The pid of the master."""
        assert self.process is not None
        return self.process.pid

    def up(self) -> None:
        """Start it, or start it again, as a supervisor would."""
        self.start(*self.flags)

    def whole(self) -> None:
        """Wait until it says that it is healthy."""
        until(lambda: self.ready, f"{self.runtime} is whole again: {self.status()}", WHOLE_S)

    def serving(self) -> dict[int, str]:
        """Return the ready workers, pid → id. The probe is none: to kill it says something about a task."""
        rows = self.status().get("workers", [])
        return {row["pid"]: row["id"] for row in rows if row["pid"] and row["state"] == "ready"}

    def family(self) -> list[int]:
        """Return the pids of all its processes, the master first."""
        return [self.main, *children(self.main)]

    def send_all(self, number: signal.Signals) -> set[int]:
        """Send a signal to all its processes; returns their pids."""
        pids = self.family()
        for pid in pids:
            send(pid, number)
        return set(pids)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may have gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def gone(pids: set[int]) -> None:
    """Wait until none of these processes is there."""
    until(lambda: not any(alive(pid) for pid in pids), f"{pids} are gone", WHOLE_S)
