"""The worker processes of this daemon, watched by the keeper in case that the master dies first.

They drain by themselves then. One whose loop is blocked cannot: it is killed after its grace. By a pidfd, so
that no other process is ever meant.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal


class Survivors:
    """Knows the living workers: `watch` and `unwatch` as the master tells, `outlast` when it is gone."""

    def __init__(self) -> None:
        self._pidfds: dict[str, int] = {}

    def watch(self, worker: str, pid: int) -> None:
        """Watch a process; one that ended before we looked is reported by the master next."""
        with contextlib.suppress(ProcessLookupError):
            self._pidfds[worker] = os.pidfd_open(pid)

    def unwatch(self, worker: str) -> None:
        """Forget a process that has ended."""
        pidfd = self._pidfds.pop(worker, None)
        if pidfd is not None:
            os.close(pidfd)

    async def outlast(self, grace_s: float) -> list[str]:
        """Wait up to `grace_s` for the end of all, kill who is left, and return who was there."""
        watched = dict(self._pidfds)
        loop = asyncio.get_running_loop()
        ends = []
        for pidfd in watched.values():
            end = loop.create_future()
            loop.add_reader(pidfd, _resolve, end)
            ends.append(end)
        if ends:
            await asyncio.wait(ends, timeout=grace_s)
        for pidfd in watched.values():
            loop.remove_reader(pidfd)
            with contextlib.suppress(ProcessLookupError):  # it may have gone by itself
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return list(watched)


def _resolve(end: asyncio.Future[None]) -> None:
    if not end.done():
        end.set_result(None)
