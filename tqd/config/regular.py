"""Read a small file, and only a file: nothing that blocks, and nothing that is a device.

The master reads its configuration again while it serves. A FIFO in that place would stop it until
somebody writes, and merely opening a device can do something (a watchdog starts to count).
"""

from __future__ import annotations

import os
import stat


class Unreadable(Exception):
    """Raised when a path is no file that can be read; the message is the reason, without the path."""


def read_regular(path: str, largest_bytes: int) -> bytes:
    """Return what a regular file holds; raises `Unreadable`, also when it is larger than allowed."""
    try:
        _refuse_others(os.stat(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            _refuse_others(os.fstat(descriptor))  # it may have become something else meanwhile
            content = file.read(largest_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Unreadable(f"cannot be read: {reason}") from error
    if len(content) > largest_bytes:
        raise Unreadable(f"is larger than {largest_bytes:,} bytes")
    return content


def _refuse_others(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable("is a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("is not a regular file")
