"""A way to Redis that can be cut where it hurts: after the request has arrived, before its reply.

A proxy between two unix sockets, on threads. Tests arm a fault; it happens once.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from pathlib import Path
from types import TracebackType


class CuttingProxy:
    """Forwards to `target`. `cut_after_request` breaks the connection of the next request it sees.

    That request reaches Redis, is answered there, and the client never gets the answer.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._directory = tempfile.TemporaryDirectory(prefix="tqd-proxy-")
        self.socket = Path(self._directory.name) / "proxy.sock"
        self.url = f"unix://{self.socket}"
        self.cuts = 0
        self._word = b""
        self._armed = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.socket))
        self._listener.listen()

    def cut_after_request(self, word: bytes) -> None:
        """Swallow the reply to the next request that contains `word`, and close both sides."""
        self._word = word

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in (self._listener, *self._sockets):
            _close(end)
        self._directory.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._target))
            self._sockets += (client, server)
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=_pump, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(1 << 20):
                if self._takes(data):
                    _close(client)  # first: the answer must not find its way back
                    server.sendall(data)
                    server.shutdown(socket.SHUT_WR)
                    return
                server.sendall(data)
        except OSError:
            pass
        _close(client)
        _close(server)

    def _takes(self, data: bytes) -> bool:
        with self._armed:
            if not self._word or self._word not in data:
                return False
            self._word = b""
            self.cuts += 1
            return True


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 20):
            sink.sendall(data)
    except OSError:
        pass
    _close(sink)
    _close(source)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
