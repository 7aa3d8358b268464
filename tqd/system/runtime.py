"""The runtime directory of one daemon: its pidfile, its control socket, its log when detached.

The pidfile is held by `lockf`, which is free the moment its process is gone and which no child
inherits: a stale file is no obstacle, and a second daemon in the same directory is refused. It is
opened once: closing any descriptor of it would drop the lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Mapping
from typing import NamedTuple

from tqd.errors import TqdError

LONGEST_SOCKET_PATH = 107

_FLOCK = "hhqqi4x"
"""`struct flock` on 64-bit Linux: type, whence, start, length, pid."""


class AlreadyRunning(TqdError):
    """Raised when another daemon holds the runtime directory."""


class UnusableDirectory(TqdError):
    """Raised when the runtime directory cannot be made or is not ours alone."""


class RuntimeDirectory(NamedTuple):
    """The files of one daemon. (No dataclass: loading those costs `tqd status` a tenth of its time.)"""

    path: str

    @property
    def pidfile(self) -> str:
        """Pid and start of the master, locked while it lives."""
        return os.path.join(self.path, "tqd.pid")

    @property
    def control_socket(self) -> str:
        """Where the master answers."""
        return os.path.join(self.path, "control.sock")

    @property
    def log(self) -> str:
        """Where a detached daemon writes."""
        return os.path.join(self.path, "tqd.log")

    @property
    def redis_socket(self) -> str:
        """Where the embedded Redis listens."""
        return os.path.join(self.path, "redis.sock")

    @property
    def redis_data(self) -> str:
        """Where the embedded Redis keeps its data unless told otherwise."""
        return os.path.join(self.path, "redis")

    def make(self) -> None:
        """Create the directory, private to this user; UnusableDirectory when that cannot be."""
        try:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            found = os.stat(self.path)
        except OSError as error:
            raise UnusableDirectory(
                f"runtime directory {self.path}: {error.strerror}; pass --runtime-dir"
            ) from error
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise UnusableDirectory(
                f"runtime directory {self.path} can be written by others: it must belong to this user "
                "alone, as whoever writes there controls the daemon; pass --runtime-dir"
            )
        if len(os.fsencode(self.control_socket)) > LONGEST_SOCKET_PATH:
            raise UnusableDirectory(
                f"runtime directory {self.path} is too long a path: a socket's path has at most "
                f"{LONGEST_SOCKET_PATH} bytes; pass a shorter --runtime-dir"
            )


def choose(configured: str, environ: Mapping[str, str]) -> RuntimeDirectory:
    """Return the runtime directory: the configured one, systemd's, the user's, or a private one in the
    temporary folder."""
    if configured:
        return RuntimeDirectory(os.path.abspath(configured))
    if environ.get("RUNTIME_DIRECTORY"):
        return RuntimeDirectory(environ["RUNTIME_DIRECTORY"].partition(":")[0])
    if environ.get("XDG_RUNTIME_DIR"):
        return RuntimeDirectory(os.path.join(environ["XDG_RUNTIME_DIR"], "tqd"))
    return RuntimeDirectory(os.path.join(environ.get("TMPDIR") or "/tmp", f"tqd-{os.geteuid()}"))


class Pidfile:
    """The lock on a runtime directory; held until the process ends."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.descriptor = -1

    def hold(self, pid: int, start: int) -> None:
        """Lock and write it; AlreadyRunning names the holder."""
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self.descriptor, 64, 0).decode(errors="replace").split()
            os.close(self.descriptor)
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            raise AlreadyRunning(
                f"a tqd daemon (pid {holder[0] if holder else '?'}) is running with the runtime directory "
                f"{os.path.dirname(self._path)}: one directory serves one daemon; stop it with tqd stop, "
                "or pass another --runtime-dir"
            ) from error
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{pid} {start}\n".encode(), 0)


def holder(path: str) -> tuple[int, int] | None:
    """Return pid and start of the daemon that holds a pidfile, or None when nobody does.

    It asks who holds the lock and never takes it: a start at the same moment would be refused.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        if struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, question))[0] == fcntl.F_UNLCK:
            return None
        words = os.pread(descriptor, 64, 0).split()
    finally:
        os.close(descriptor)
    return (int(words[0]), int(words[1])) if len(words) == 2 else None
