"""Talking to a running daemon: finding it, asking it, watching it end.

Imports no Redis and no event loop, and reads the configuration file only when that can name the runtime
directory: a look at the daemon must not cost more than the look.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tqd.clock import monotonic, pause
from tqd.errors import TqdError
from tqd.system.process import start_ticks
from tqd.system.runtime import RuntimeDirectory, choose, holder

ANSWER_S = 2.0
INTERRUPTED = 130
"""The exit code of a verb that was left with Ctrl-C."""

VARIABLES = ("TQD_DAEMON__RUNTIME_DIR", "TQD_RUNTIME_DIR")
FILES = ("tqd.toml", "/etc/tqd/tqd.toml")
"""Where `tqd start` finds daemon.runtime_dir; a test holds both equal to what the configuration does."""

_RETRY_S = 0.01
_READ_BYTES = 65_536


class NotRunning(TqdError):
    """Raised when a verb needs a daemon and none is running in the runtime directory."""

    def __init__(self, directory: RuntimeDirectory) -> None:
        super().__init__(f"no daemon is running in the {looked_in(directory.path)}")


class NotAnswering(TqdError):
    """Raised when a daemon exists and does not answer on its control socket in time."""


class TimeIsOver(NotAnswering):
    """Raised when the answer has not come in time: it may still come, to nobody."""


class NotAllowed(TqdError):
    """Raised when the runtime directory is another user's."""


class Refused(TqdError):
    """Raised when the daemon's answer is an error."""


def looked_in(path: str, services: str = "/run") -> str:
    """Return which runtime directory was meant, and how to mean another, such as a system service's."""
    try:
        names = sorted(name for name in os.listdir(services) if name.partition("-")[0] == "tqd")
    except OSError:
        names = []
    places = [RuntimeDirectory(os.path.join(services, name)) for name in names]
    others = [place.path for place in places if place.path != path and os.path.exists(place.control_socket)]
    hint = f" (there is one in {' and '.join(others)})" if others else ""
    return f"runtime directory {path}; name another with --runtime-dir, TQD_RUNTIME_DIR or --config{hint}"


def demand(
    directory: RuntimeDirectory,
    request: str | Mapping[str, object],
    on_progress: Callable[[str], None] | None = None,
    timeout_s: float | None = ANSWER_S,
) -> dict[str, Any]:
    """Return the answer of a daemon that has to be there: else NotRunning; Refused when it is an error."""
    answer = ask(directory, request, on_progress, timeout_s)
    if answer is None:
        raise NotRunning(directory)
    return accepted(answer)


def accepted(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer that is no refusal; else Refused with the daemon's reason."""
    if answer.get("error"):
        text = str(answer["error"])
        older = "; the running daemon is of another version: restart it" if "unknown verb" in text else ""
        raise Refused(text + older)
    return answer


def ask(
    directory: RuntimeDirectory,
    request: str | Mapping[str, object],
    on_progress: Callable[[str], None] | None = None,
    timeout_s: float | None = ANSWER_S,
) -> dict[str, Any] | None:
    """Return the daemon's answer; None when no daemon is running in the directory.

    `request` is a verb, or a verb with its arguments; `timeout_s` is for all of it, None waits for
    ever. Raises NotAnswering when the time is over and NotAllowed when the socket is not ours.
    """
    words = {"verb": request} if isinstance(request, str) else request
    deadline = None if timeout_s is None else monotonic() + timeout_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            _connect(connection, directory.control_socket, deadline)
            connection.sendall(json.dumps(words).encode() + b"\n")
            for line in _lines(connection, deadline):
                if "progress" not in line:
                    return line
                if on_progress is not None:
                    on_progress(str(line["progress"]))
            raise ConnectionError("it closed the connection without an answer")
    except (OSError, ValueError) as error:
        pid = _pid(directory)
        if pid is None:
            return None
        within = f" within {timeout_s:g} s" if timeout_s is not None else ""
        kind = TimeIsOver if isinstance(error, TimeoutError) else NotAnswering
        raise kind(
            f"the daemon (pid {pid}) does not answer{within} ({error}); it may be "
            "starting or stopping: try again; else look into its log"
        ) from error


def _connect(connection: socket.socket, path: str, deadline: float | None) -> None:
    while True:
        connection.settimeout(_left_s(deadline))
        try:
            connection.connect(path)
            return
        except BlockingIOError:
            pause(_RETRY_S)  # more clients at the door than it holds: the daemon is there, but busy


def _lines(connection: socket.socket, deadline: float | None) -> Iterator[dict[str, Any]]:
    """Yield the objects that come, one a line, until the connection ends."""
    data = b""
    while True:
        line, end, rest = data.partition(b"\n")
        if end:
            data = rest
            value = json.loads(line)
            if not isinstance(value, dict):
                raise ValueError("it answered with something that is no object")
            yield value
            continue
        connection.settimeout(_left_s(deadline))
        received = connection.recv(_READ_BYTES)
        if not received:
            return
        data += received


def _left_s(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left_s = deadline - monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


def directory_of(options: argparse.Namespace) -> RuntimeDirectory:
    """Return the runtime directory that a start with the same flags, environment and file would use.

    A broken file does not keep anybody from stopping a daemon: it is told and passed over.
    """
    flag = getattr(options, "daemon.runtime_dir")
    strong, weak = (os.environ.get(name) for name in VARIABLES)
    for configured in (flag, strong, weak or None):
        if configured is not None:
            return choose(configured, os.environ)
    return choose(_from_file(options.config), os.environ)


def _from_file(named: str | None) -> str:
    """Return what the file says about the runtime directory, else an empty text."""
    path = named or next((place for place in FILES if os.path.exists(place)), None)
    if path is None:
        return ""
    try:
        with open(path, "rb") as file:
            content = file.read()
        if b"runtime_dir" not in content:
            return ""
        import tomllib

        section = tomllib.loads(content.decode("utf-8-sig")).get("daemon")
    except (OSError, ValueError, RecursionError) as error:
        print(f"tqd: {path} cannot be read: {error}\ntqd: going on without it", file=sys.stderr)
        return ""
    value = section.get("runtime_dir") if isinstance(section, dict) else None
    return value if isinstance(value, str) else ""


class Process:
    """The master process, held by a pidfd: never a stranger that got its pid."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd

    def ended(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` for its end; tells whether it has ended."""
        readable, _, _ = select.select([self.pidfd], [], [], timeout_s)
        return bool(readable)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; ProcessLookupError when it has ended, PermissionError when it is not ours."""
        signal.pidfd_send_signal(self.pidfd, number)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.pidfd)


def find(directory: RuntimeDirectory) -> Process | None:
    """Return the daemon of a runtime directory, or None when none is running there.

    Raises NotAllowed when the directory is another user's, so that nobody can tell.
    """
    pid = _pid(directory)
    if pid is None:
        return None
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if _pid(directory) != pid:
        os.close(pidfd)
        return None
    return Process(pid, pidfd)


def _pid(directory: RuntimeDirectory) -> int | None:
    """Return the pid of the living daemon that holds the directory; NotAllowed when that is hidden."""
    found = holder(directory.pidfile)
    if found is not None:
        pid, start = found
        # A hardened service sees no other process: the lock alone tells that the daemon lives.
        return pid if start_ticks(pid) in (start, None) else None
    try:
        os.close(os.open(directory.pidfile, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise NotAllowed(
                f"a daemon is asked by its own user, and to {_owner(directory.path)} belongs the "
                f"{looked_in(directory.path)}; or use sudo -u"
            ) from error
    return None


def _owner(path: str) -> str:
    import pwd

    try:
        uid = os.stat(path).st_uid
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
    except OSError:
        return "another user"
