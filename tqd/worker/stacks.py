"""The worker's answer to SIGUSR1: which attempt occupies the loop at this moment, and where.

Two things happen on the signal, both without the loop's help, as that may be blocked:

- faulthandler writes the stacks of all threads for the master, from C: this works always;
- Python's handler names the attempt in a `Blocked`. It runs when the interpreter looks at signals: in a
  busy loop, in `time.sleep` and other waits, in a regular expression. C code that does not look (a sort
  of ten million items, a product of huge numbers, a library) keeps it waiting; then there are only the
  stacks, and so it is when a thread keeps the interpreter for itself.

The handler must not raise into the code that it interrupts, must not wait, and must not log.
"""

from __future__ import annotations

import asyncio
import faulthandler
import importlib.util
import os
import signal
import sysconfig
from collections.abc import Iterator
from types import FrameType

import tqd
from tqd.system.channel import ChildChannel
from tqd.system.loop import run_last
from tqd.task.policy import policy
from tqd.wire.messages import Blocked
from tqd.worker.inflight import OCCUPANT, Inflight

LONGEST_NAME = 100
LONGEST_PLACE = 500

Place = tuple[str, int, str]
"""File, line, function."""


def _folder(file: str | None) -> str:
    return os.path.join(os.path.dirname(file or ""), "")


_LOOP = run_last.__code__.co_filename
_UVLOOP = importlib.util.find_spec("uvloop")
OURS = tuple(map(_folder, (tqd.__file__, asyncio.__file__, _UVLOOP.origin if _UVLOOP else asyncio.__file__)))
LIBRARY = (
    _folder(os.__file__),
    *(os.path.join(sysconfig.get_path(name), "") for name in ("purelib", "platlib")),
    "<frozen ",
)


def place_of(frames: list[Place], ours: tuple[str, ...] = OURS, library: tuple[str, ...] = LIBRARY) -> str:
    """Return where code is that is in these frames, innermost first: `/srv/shop.py:12 in resize`.

    That is the user's own innermost line, if there is one; else a library's; else simply the innermost.
    """
    foreign = [frame for frame in frames if not frame[0].startswith(ours)]
    own = [frame for frame in foreign if not frame[0].startswith(library)]
    for chosen in (own, foreign, frames):
        if chosen:
            file, line, function = chosen[0]
            return f"{file}:{line} in {function}"[-LONGEST_PLACE:]
    return ""


class StackSignal:
    """Answers SIGUSR1 from `install` on. Main thread only."""

    def __init__(self, inflight: Inflight, channel: ChildChannel, dump_fd: int) -> None:
        self._inflight = inflight
        self._channel = channel
        self._dump_fd = dump_fd

    def install(self) -> None:
        """Take the place of the handler that the process was forked with, which only writes stacks.

        That one is taken out first: what it replaced, the end of the process, stands there until the
        next line, so the signal waits meanwhile.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR1,))
        faulthandler.unregister(signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, self._asked)
        faulthandler.register(signal.SIGUSR1, self._dump_fd, all_threads=True, chain=True)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        try:
            attempt = self._inflight.get(OCCUPANT.get())
            if attempt is None:
                return
            self._channel.send(
                Blocked(
                    task_id=attempt.task_id,
                    token=attempt.token,
                    name=attempt.handler.name[:LONGEST_NAME],
                    place=place_of(list(_inside(frame))),
                    policy=policy(attempt.options, attempt.handler.retry_rules),
                )
            )
        except Exception:
            pass


def _inside(frame: FrameType | None) -> Iterator[Place]:
    """Yield the frames that the loop runs, innermost first; without any, the loop's own."""
    innermost = frame
    while frame is not None and frame.f_code.co_filename != _LOOP:
        yield frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
        frame = frame.f_back
    if innermost is frame and frame is not None:
        yield _LOOP, frame.f_lineno, frame.f_code.co_name
