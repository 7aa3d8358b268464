"""Looking at the daemon all the time: `status` on its control socket, again and again, from a thread."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

from perf.harness import Daemon, core_s

STEP_S = 0.01


class Watch:
    """`ready`: how many workers were ready in each answer. `answers`: how long each took, in ms, and for how
    long master and asker together had to wait for a core meanwhile, which is the machine's part of it."""

    def __init__(self, daemon: Daemon) -> None:
        self.answers: list[tuple[float, float]] = []
        self.ready: list[int] = []
        self._daemon = daemon
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._error: BaseException | None = None

    def stop(self) -> None:
        """Look no more; raises what has ended the thread before."""
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()
        else:
            self._stop.set()
            self._thread.join()

    def _run(self) -> None:
        try:
            master = self._daemon.process.pid
            while not self._stop.wait(STEP_S):
                waited_s, began = self._waited_s(master), time.monotonic()
                status = self._daemon.ask(verb="status")
                took_s = time.monotonic() - began
                self.answers.append((took_s * 1e3, (self._waited_s(master) - waited_s) * 1e3))
                self.ready.append(ready_workers(status))
        except BaseException as error:
            self._error = error

    def _waited_s(self, master: int) -> float:
        return core_s(master)[1] + core_s("thread-self")[1]


def ready_workers(status: dict[str, Any]) -> int:
    """Return how many workers serve."""
    return sum(worker["state"] == "ready" for worker in status["workers"])
