"""Standard error that never makes its writer wait.

The master writes its log there. When whoever reads it does not, a pipe or a socket fills, and a plain
write would hold up all supervision; so what does not fit is left out and counted.
"""

from __future__ import annotations

import os
import select
import sys
from typing import TextIO

from tqd import log

_PIECE = 4096
"""A pipe that is ready takes so many bytes at once (PIPE_BUF)."""


def log_to_stderr(level: str, format: str) -> None:
    """Send this process's events to standard error, in a level's and a format's words of the settings."""
    log.configure(level, format, PatientOutput(sys.stderr))


class PatientOutput:
    """Writes text to a descriptor as far as it can be taken at once; `dropped` counts the texts left out.

    Somebody else may fill the descriptor between the look and the write: then it waits all the same.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._poll = select.poll()
        self._poll.register(stream.fileno(), select.POLLOUT)
        self.dropped = 0
        self._unsaid = 0

    def write(self, text: str) -> int:
        """Write a text, in pieces, until the descriptor is full."""
        self._stream.flush()
        if self._unsaid and self._put(f"{self._unsaid} log lines were left out: nobody took them\n"):
            self._unsaid = 0
        if self._unsaid or not self._put(text):
            self._unsaid += 1
            self.dropped += 1
        return len(text)

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def isatty(self) -> bool:
        """Tell whether a terminal reads it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._stream.fileno()

    def _put(self, text: str) -> bool:
        data = text.encode(errors="backslashreplace")
        while data:
            if not self._poll.poll(0):
                return False
            try:
                data = data[os.write(self._stream.fileno(), data[:_PIECE]) :]
            except BlockingIOError:
                return False
            except OSError:
                return True  # its reader is gone, or the disk is full: there is nobody to tell
        return True
