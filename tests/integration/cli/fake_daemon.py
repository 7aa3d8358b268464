"""A daemon that is nothing but its pidfile and its control socket: `python fake_daemon.py DIRECTORY`.

It answers what `answers.json` says at that moment: for each verb a list of lines to send. Instead of
lines there may be "silence" (no answer), "close" (no answer, connection closed) or "exit" (the
process ends without one). A list may end with "exit": it ends after its answer. Requests and signals go
into `heard`. SIGTERM, SIGQUIT and SIGHUP are only noted, unless `answers.json` maps the signal to "exit".
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from tqd.system.process import start_ticks
from tqd.system.runtime import Pidfile, RuntimeDirectory

DIRECTORY = RuntimeDirectory(sys.argv[1])
SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


def heard(text: str) -> None:
    with open(Path(DIRECTORY.path, "heard"), "a") as file:
        file.write(text + "\n")


def answers() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(DIRECTORY.path, "answers.json").read_text())
    return found


def main() -> None:
    reader, writer = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(writer)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    pidfile = Pidfile(DIRECTORY.pidfile)
    pidfile.hold(os.getpid(), start_ticks(os.getpid()) or 0)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(DIRECTORY.control_socket)
    os.chmod(DIRECTORY.control_socket, 0o600)
    listener.listen(16)
    kept = []
    heard("ready")
    while True:
        ready, _, _ = select.select([listener, reader], [], [])
        if reader in ready:
            for number in os.read(reader, 100):
                name = signal.Signals(number).name
                heard(name)
                if answers().get(name) == "exit":
                    return
        if listener in ready:
            connection, _ = listener.accept()
            kept.append(connection)
            if not serve(connection):
                return


def serve(connection: socket.socket) -> bool:
    request = json.loads(connection.makefile("rb").readline())
    heard(json.dumps(request))
    verb = request.get("verb")
    lines = answers().get(verb, [{"error": f"unknown verb {verb!r}; the verbs are: status"}])
    for line in [lines] if isinstance(lines, str) else lines:
        if line == "exit":
            return False
        with contextlib.suppress(OSError):  # the client has left
            if line == "close":
                connection.shutdown(socket.SHUT_RDWR)
            elif line != "silence":
                connection.sendall(json.dumps(line).encode() + b"\n")
    return True


main()
