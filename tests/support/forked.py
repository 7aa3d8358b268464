"""A child forked by `tqd.system.fork.spawn` from the test's own process, and ended with the test.

with Forked(main) as forked:
    forked.wait_for(Ready)
    forked.signal(signal.SIGUSR1)
    assert forked.exit_code() == 0
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from tests.support.wait import until
from tqd.system.fork import ChildPipes, spawn
from tqd.wire.frames import FrameReader
from tqd.wire.messages import Message, decode_message, encode_message

M = TypeVar("M")

END_S = 40.0
WORD_S = 40.0


class Forked:
    """What a master holds of one child. `messages` are those that it has sent, oldest first."""

    def __init__(self, main: Callable[[ChildPipes], int]) -> None:
        self.child = spawn(main, ())
        self.messages: list[Message] = []
        self._frames = FrameReader()
        self._code: int | None = None

    def send(self, message: Message) -> None:
        os.write(self.child.control_fd, encode_message(message))

    def orphan(self) -> None:
        """Close the master's end of the control pipe, as the master's death does."""
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, self.child.control_fd)
        os.close(null)

    def signal(self, number: int) -> None:
        signal.pidfd_send_signal(self.child.pidfd, number)

    def heard(self, kind: type[M], where: Callable[[M], bool] = lambda _: True) -> M | None:
        """Return the newest message of a kind that was sent so far."""
        self._read()
        found = [message for message in self.messages if isinstance(message, kind) and where(message)]
        return found[-1] if found else None

    def wait_for(
        self, kind: type[M], where: Callable[[M], bool] = lambda _: True, deadline_s: float = WORD_S
    ) -> M:
        """Return the newest message of a kind, once there is one."""
        found = until(lambda: self.heard(kind, where), f"a {kind.__name__} in {self.messages}", deadline_s)
        assert found is not None
        return found

    def dump(self, word: str, deadline_s: float = WORD_S) -> str:
        """Return the stacks that the child has written, once they have a word."""
        written: list[str] = []

        def found() -> bool:
            written.append(self.child.read_dump())
            return word in "".join(written)

        until(found, f"{word} in {written}", deadline_s)
        return "".join(written)

    @property
    def ended(self) -> bool:
        return bool(select.select([self.child.pidfd], [], [], 0)[0])

    def exit_code(self, deadline_s: float = END_S) -> int:
        """Return the exit code, once it has ended; minus the signal that killed it."""
        if self._code is None:
            assert select.select([self.child.pidfd], [], [], deadline_s)[0], "the child has not ended"
            self._read()
            result = os.waitid(os.P_PIDFD, self.child.pidfd, os.WEXITED)
            assert result is not None
            self._code = result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
        return self._code

    def state(self) -> str:
        """Return the letter of the process's state: R runs, S sleeps, T is stopped, Z is dead."""
        with open(f"/proc/{self.child.pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()

    def __enter__(self) -> Forked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            self.exit_code()
        self.child.close()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.child.status_fd, 65_536):
                self.messages += [decode_message(frame) for frame in self._frames.feed(data)]


def sleep_in_c(seconds: float) -> None:
    """Sleep in one call, where signals are looked at only when one comes."""
    time.sleep(seconds)
