"""Talking to a running daemon: finding it, asking it, watching it end. Imports no Redis."""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import sys
from typing import Any

from tqd.config.load import load
from tqd.errors import ConfigError, TqdError
from tqd.system.process import start_ticks
from tqd.system.runtime import RuntimeDirectory, choose, holder

ANSWER_S = 2.0


class NotAnswering(TqdError):
    """Raised when a daemon exists and does not answer on its control socket."""


def ask(directory: RuntimeDirectory, verb: str) -> dict[str, Any] | None:
    """Return the daemon's answer; None when no daemon is running in the directory."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(directory.control_socket)
            connection.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(connection.makefile("rb").readline())
            return answer
    except (OSError, ValueError) as error:
        found = holder(directory.pidfile)
        if found is None:
            return None
        raise NotAnswering(
            f"the daemon (pid {found[0]}) does not answer within {ANSWER_S:g} s ({error}); it may be "
            "starting or stopping: try again; else look into its log"
        ) from error


def directory_of(options: argparse.Namespace) -> RuntimeDirectory:
    """Return the runtime directory that a start with the same flags, environment and file would use.

    A broken configuration does not keep anybody from stopping a daemon: it is told and passed over.
    """
    flag = getattr(options, "daemon.runtime_dir")
    try:
        config = load(options.config, os.environ, {"daemon.runtime_dir": flag}, 1)
        return choose(config.daemon.runtime_dir, os.environ)
    except ConfigError as error:
        print(f"tqd: {error}\ntqd: going on without it", file=sys.stderr)
        return choose(flag or os.environ.get("TQD_RUNTIME_DIR", ""), os.environ)


class Process:
    """The master process, held by a pidfd: never a stranger that got its pid."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd

    def ended(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` for its end; tells whether it has ended."""
        readable, _, _ = select.select([self.pidfd], [], [], timeout_s)
        return bool(readable)


def find(directory: RuntimeDirectory) -> Process | None:
    """Return the daemon of a runtime directory, or None when none is running there."""
    found = holder(directory.pidfile)
    if found is None:
        return None
    pid, start = found
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if start_ticks(pid) != start:
        os.close(pidfd)
        return None
    return Process(pid, pidfd)
