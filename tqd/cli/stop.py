"""`tqd stop`: ask the daemon to drain, and wait for its end, saying what it waits for."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

from tqd.cli.daemon import NotAnswering, Process, ask, directory_of, find
from tqd.clock import monotonic
from tqd.system import exits
from tqd.system.runtime import RuntimeDirectory

_LOOK_S = 0.25
_SAY_S = 2.0


def run(options: argparse.Namespace) -> int:
    """Stop the daemon; 0 when it has ended or was not running, 1 when the time is over."""
    directory = directory_of(options)
    process = find(directory)
    if process is None:
        print(f"tqd is not running (runtime directory {directory.path})")
        return exits.OK
    try:
        signal.pidfd_send_signal(process.pidfd, signal.SIGTERM)
    except ProcessLookupError:
        return exits.OK
    except PermissionError:
        print(f"tqd: pid {process.pid} belongs to another user; stop it as that user", file=sys.stderr)
        return exits.FAILURE
    return _wait(process, directory, options.timeout)


def _wait(process: Process, directory: RuntimeDirectory, timeout_s: float | None) -> int:
    began = monotonic()
    said = began
    while not process.ended(_LOOK_S):
        now = monotonic()
        if timeout_s is not None and now - began >= timeout_s:
            print(f"tqd (pid {process.pid}) is still stopping after {timeout_s:g} s: {_doing(directory)}")
            return exits.FAILURE
        if now - said >= _SAY_S:
            said = now
            print(f"waiting for tqd (pid {process.pid}): {_doing(directory)}", flush=True)
    print(f"tqd has stopped (pid {process.pid}, {monotonic() - began:.1f} s)")
    return exits.OK


def _doing(directory: RuntimeDirectory) -> str:
    try:
        status = ask(directory, "status")
    except NotAnswering as error:
        return str(error)
    return "its last moments" if status is None else waiting_for(status)


def waiting_for(status: dict[str, Any]) -> str:
    """Return in words what a stopping daemon still has to do."""
    busy = [(w["id"], w["busy"] or 0, w["oldest_s"] or 0.0) for w in status["workers"] if w["pid"]]
    running = sum(count for _, count, _ in busy)
    if running:
        oldest = max(age for _, _, age in busy)
        return f"{running} running tasks in {len(busy)} workers, the oldest for {oldest:.0f} s"
    return f"{len(busy)} workers are leaving" if busy else "the keeper is signing off"
