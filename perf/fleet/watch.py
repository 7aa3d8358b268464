"""Looking at the daemon all the time: `status` on its control socket, again and again, from a thread."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

from perf.harness import Daemon

STEP_S = 0.01


class Watch:
    """`answers_ms`: how long each answer took. `ready`: how many workers were ready in each of them."""

    def __init__(self, daemon: Daemon) -> None:
        self.answers_ms: list[float] = []
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
            while not self._stop.wait(STEP_S):
                began = time.monotonic()
                status = self._daemon.ask(verb="status")
                self.answers_ms.append((time.monotonic() - began) * 1e3)
                self.ready.append(ready_workers(status))
        except BaseException as error:
            self._error = error


def ready_workers(status: dict[str, Any]) -> int:
    """Return how many workers serve."""
    return sum(worker["state"] == "ready" for worker in status["workers"])
