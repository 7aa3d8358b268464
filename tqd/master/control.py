"""The control socket: one line of JSON asks, lines of JSON answer. Never waits for a client.

An answer may be preceded by lines of progress, which have no other key than `progress`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import socket
from collections.abc import Callable

LONGEST_REQUEST = 4096
LONGEST_REPLY = 4 << 20
"""What may wait for a client that does not read."""

BACKLOG = 16
MOST_CLIENTS = 64
"""Beyond that the oldest is let go: clients that never speak must not use up the descriptors."""

Answer = Callable[[dict[str, object]], None]
OnRequest = Callable[[dict[str, object], Answer], None]


class ControlServer:
    """Accepts clients on a unix socket, mode 0600, and hands each request to `on_request`.

    The request is answered through the function that comes with it, at once or later, with any number of
    lines.
    """

    def __init__(self, path: str, selector: selectors.BaseSelector, on_request: OnRequest) -> None:
        self._path = path
        self._selector = selector
        self._on_request = on_request
        self._clients: dict[int, _Client] = {}
        # Whoever holds the pidfile's lock owns the directory: a socket that is there is a dead one's.
        if os.path.exists(path):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        before = os.umask(0o177)
        try:
            self._listener.bind(path)
        finally:
            os.umask(before)
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def descriptors(self) -> list[int]:
        """Return what a child must close."""
        return [self._listener.fileno(), self._spare, *self._clients]

    def close(self) -> None:
        """Stop listening and remove the socket."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()
        os.close(self._spare)
        with contextlib.suppress(FileNotFoundError):  # somebody tidied up
            os.unlink(self._path)

    def _accept(self, events: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._turn_away()
            return  # else it left before we looked
        connection.setblocking(False)
        while len(self._clients) >= MOST_CLIENTS:
            self._drop(next(iter(self._clients.values())))
        client = _Client(connection)
        self._clients[connection.fileno()] = client
        self._selector.register(connection, selectors.EVENT_READ, lambda events: self._serve(client, events))

    def _turn_away(self) -> None:
        """Close a connection for which there is no descriptor: left waiting, it would keep the loop awake."""
        os.close(self._spare)
        with contextlib.suppress(OSError):
            self._listener.accept()[0].close()
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _serve(self, client: _Client, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._write(client)
                return
            data = client.connection.recv(LONGEST_REQUEST)
        except OSError:
            self._drop(client)
            return
        self._take(client, data)

    def _take(self, client: _Client, data: bytes) -> None:
        client.request += data
        if not data:
            self._drop(client)
        elif len(client.request) > LONGEST_REQUEST:
            self._answer(client, {"error": f"the request is longer than {LONGEST_REQUEST} bytes"})
            self._drop(client)
        elif b"\n" in client.request:
            line, client.request = client.request, b""
            self._on_request(_parse(line), lambda answer: self._answer(client, answer))

    def _answer(self, client: _Client, answer: dict[str, object]) -> None:
        if client.connection.fileno() not in self._clients:
            return
        client.reply += json.dumps(answer).encode() + b"\n"
        if len(client.reply) > LONGEST_REPLY:
            self._drop(client)
            return
        try:
            self._write(client)
        except OSError:
            self._drop(client)

    def _write(self, client: _Client) -> None:
        try:
            sent = client.connection.send(client.reply)
        except BlockingIOError:
            sent = 0
        client.reply = client.reply[sent:]
        wanted = selectors.EVENT_WRITE if client.reply else selectors.EVENT_READ
        self._selector.modify(client.connection, wanted, lambda events: self._serve(client, events))

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.connection.fileno(), None) is not None:
            self._selector.unregister(client.connection)
            client.connection.close()


class _Client:
    __slots__ = ("connection", "reply", "request")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.request = b""
        self.reply = b""


def _parse(line: bytes) -> dict[str, object]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return request if isinstance(request, dict) else {}
