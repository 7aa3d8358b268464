"""A steady load: tasks that are enqueued at an even rate, from a thread of this process.

A task's number is acknowledged once its enqueue call has returned; whether those of a failed call are
stored nobody can tell, and nobody is held to it.
"""

from __future__ import annotations

import threading
import time
from itertools import cycle, islice
from types import TracebackType

from perf.fleet.account import ended, run_twice
from perf.fleet.journal import Journal
from perf.tasks import told, tq
from tests.support.redis_server import RedisServer
from tqd.errors import StoreError
from tqd.store.keys import Keys

PER_S = 600
NAPS_S = (0.0, 0.01, 0.05)
STEP_S = 0.02
MOST_LATE_S = 0.5
"""What a stall may leave to be made up for; the rest is not enqueued at all."""

END_S = 30.0


class Feeder:
    """`asked_ns`: the moment of the call for each acknowledged task. Naps from 0 to 50 ms, in turn."""

    def __init__(self, per_s: int = PER_S) -> None:
        self.asked_ns: dict[int, int] = {}
        self._per_s = per_s
        self._naps = cycle(NAPS_S)
        self._number = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._error: BaseException | None = None
        self._began = self._ended = 0.0

    @property
    def acknowledged_per_s(self) -> float:
        """How many tasks were acknowledged per s; to be asked after `stop`."""
        return len(self.asked_ns) / (self._ended - self._began)

    def stop(self) -> None:
        """Enqueue no more; raises what has ended the thread before."""
        self._stop.set()
        self._thread.join()
        tq.close()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Feeder:
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
        self._began = due_from = time.monotonic()
        try:
            sent = 0
            while not self._stop.wait(STEP_S):
                now = time.monotonic()
                due_from = max(due_from, now - MOST_LATE_S - sent / self._per_s)
                count = int((now - due_from) * self._per_s) - sent
                self._enqueue(count)
                sent += count
        except BaseException as error:
            self._error = error
        finally:
            self._ended = time.monotonic()

    def _enqueue(self, count: int) -> None:
        numbers = range(self._number, self._number + count)
        self._number += count
        calls = [told.call(n, nap_s) for n, nap_s in zip(numbers, islice(self._naps, count), strict=True)]
        asked_ns = time.monotonic_ns()
        try:
            tq.enqueue_many(calls)
        except StoreError:
            return
        self.asked_ns.update(dict.fromkeys(numbers, asked_ns))


def settled(feeder: Feeder, journal: Journal, server: RedisServer, keys: Keys) -> tuple[int, int]:
    """Wait until no task is left; returns how many acknowledged ones are lost, and how many ran twice."""
    end = time.monotonic() + END_S
    while server.client.hlen(keys.task) and time.monotonic() < end:
        time.sleep(0.05)
    entries = journal.read()
    return len(feeder.asked_ns.keys() - ended(entries)), len(run_twice(entries))
