"""Telling systemd how the service is, when it is one. Best effort: without systemd nothing happens."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

LONGEST = 4096


class Notifier:
    """Sends lines like READY=1 to the socket that systemd named in NOTIFY_SOCKET.

    `watchdog_s`: systemd wants to hear WATCHDOG=1 at least so often; 0.0 when it does not, or when it
    wants it from another process.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.present = bool(self._address)
        usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        ours = self.present and usec.isdecimal() and pid in ("", str(os.getpid()))
        self.watchdog_s = int(usec) / 1_000_000 if ours else 0.0

    def send(self, *lines: str) -> bool:
        """Send the lines as one message; False when nobody took it."""
        if not self._address:
            return False
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        text = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto(_bounded(text), address)
        except OSError:
            return False
        return True


def _bounded(text: str) -> bytes:
    # systemd ignores a text that is no UTF-8, also one whose last character was cut in two.
    cut = text.encode(errors="backslashreplace")[:LONGEST]
    return cut.decode(errors="ignore").encode()


def status(text: str) -> str:
    """Return the line that `systemctl status` shows."""
    return f"STATUS={text}"
