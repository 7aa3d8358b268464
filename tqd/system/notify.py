"""Telling systemd how the service is, when it is one. Best effort: without systemd nothing happens."""

from __future__ import annotations

import socket
from collections.abc import Mapping


class Notifier:
    """Sends lines like READY=1 to the socket that systemd named in NOTIFY_SOCKET."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")

    def send(self, *lines: str) -> bool:
        """Send the lines as one message; False when nobody took it."""
        if not self._address:
            return False
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        text = "\n".join(line.replace("\n", " ") for line in lines)[:4096]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto(text.encode(), address)
        except OSError:
            return False
        return True


def status(text: str) -> str:
    """Return the line that `systemctl status` shows."""
    return f"STATUS={text}"
