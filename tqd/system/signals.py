"""Signals of the master as bytes on a socket: the handler does nothing, the loop reads the numbers."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterable


class SignalSocket:
    """Receives the given signals; `fileno` is readable when one came. Main thread only."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, _nothing)

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._reader.fileno()

    def descriptors(self) -> tuple[int, int]:
        """Return what a child must close."""
        return self._reader.fileno(), self._writer.fileno()

    def read(self) -> list[signal.Signals]:
        """Return the signals that came since the last call."""
        try:
            return [signal.Signals(number) for number in self._reader.recv(4096)]
        except BlockingIOError:
            return []


def _nothing(number: int, frame: object) -> None:
    pass
