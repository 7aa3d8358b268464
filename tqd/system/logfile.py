"""Writing the log to a file that was opened anew, after somebody has moved the old one away."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

_STANDARD = (1, 2)
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


def reopen(path: str) -> None:
    """Let everything that this process writes go to the file of that path, made if it is missing.

    OSError when it cannot be opened; everything stays as it was then. Never waits, not for a pipe's
    reader either.
    """
    log = os.open(path, _FLAGS, 0o600)
    os.set_blocking(log, True)
    streams: tuple[TextIO | None, ...] = (sys.stdout, sys.stderr)
    for stream in streams:
        if stream is not None:
            with contextlib.suppress(OSError):  # what the old file does not take comes into the new one
                stream.flush()
    for descriptor in _STANDARD:
        os.dup2(log, descriptor)
        os.set_inheritable(descriptor, True)
    if log not in _STANDARD:
        os.close(log)
