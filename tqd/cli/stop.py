"""`tqd stop`: ask the daemon to end, and wait for its end, saying what it waits for.

A plain stop is the signal SIGTERM, sent once: a daemon that already stops is only waited for, as a
second SIGTERM would cut its tasks' time short. `--now` and `--kill` are asked on the control socket, which
does not work when the master hangs; then signals say the same.
"""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

from tqd.cli.daemon import (
    INTERRUPTED,
    NotAllowed,
    NotAnswering,
    NotRunning,
    Process,
    Refused,
    accepted,
    ask,
    demand,
    directory_of,
    find,
)
from tqd.cli.figures import span
from tqd.cli.status import tell_not_running
from tqd.cli.view_tables import in_hand
from tqd.clock import monotonic
from tqd.system import exits
from tqd.system.runtime import RuntimeDirectory

KILLED = (
    "its workers see that and end within 5 s; what they held is given back by the next start, or by another "
    "daemon on this Redis, and runs again"
)

_LOOK_S = 0.1
_SAY_S = 2.0


def run(options: argparse.Namespace) -> int:
    """Stop the daemon; 0 when it has ended or was not running, 1 when the time is over."""
    directory = directory_of(options)
    process = find(directory)
    if process is None:
        tell_not_running(directory, as_json=False)
        return exits.OK
    how = "kill" if options.kill else "now" if options.now else "drain"
    return stop(process, directory, how, options.timeout)


def stop(process: Process, directory: RuntimeDirectory, how: str, timeout_s: float | None) -> int:
    """Have the daemon end by drain, now or kill, and wait; 0 ended, 1 not in time, 130 left with Ctrl-C."""
    began = monotonic()
    try:
        _tell(process, directory, how)
    except ProcessLookupError:
        pass  # it ended by itself at this moment
    except PermissionError as error:
        raise NotAllowed(f"pid {process.pid} belongs to another user; stop it as that user") from error
    try:
        return _wait(process, directory, began, timeout_s)
    except KeyboardInterrupt:
        quicker = "tqd stop waits again, tqd stop --now does not wait for its tasks"
        print(f"tqd: left; the daemon (pid {process.pid}) goes on stopping; {quicker}", file=sys.stderr)
        return INTERRUPTED


def _tell(process: Process, directory: RuntimeDirectory, how: str) -> None:
    if how == "drain":
        if not _is_stopping(directory):
            process.send(signal.SIGTERM)
        return
    try:
        answer = accepted(ask(directory, {"verb": "stop", "how": how}) or {})
        print(answer.get("text") or f"tqd (pid {process.pid}) ends at once", flush=True)
        return
    except (NotAnswering, Refused) as error:
        print(f"tqd: {error}", file=sys.stderr)
    number = signal.SIGQUIT if how == "now" else signal.SIGKILL
    process.send(number)
    after = f": {KILLED}" if how == "kill" else ""
    print(f"{number.name} is sent to tqd (pid {process.pid}) instead{after}", flush=True)


def _is_stopping(directory: RuntimeDirectory) -> bool:
    try:
        return demand(directory, "status").get("state") == "stopping"
    except (NotAnswering, NotRunning, Refused):
        return False


def _wait(process: Process, directory: RuntimeDirectory, began: float, timeout_s: float | None) -> int:
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
        return f"{error}; tqd stop --kill ends it whatever it does"
    return "its last moments" if status is None else waiting_for(status)


def waiting_for(status: dict[str, Any]) -> str:
    """Return in words what a stopping daemon still has to do: its tasks by name, and their age."""
    rows = [*(status.get("workers") or []), *(status.get("probes") or [])]
    alive = [worker for worker in rows if worker.get("pid")]
    running = sum(worker.get("busy") or 0 for worker in alive)
    if running:
        oldest_s = max(worker.get("oldest_s") or 0.0 for worker in alive)
        names = in_hand(alive)
        tasks, workers = _plural(running, "running task"), _plural(len(alive), "worker")
        return f"{tasks} in {workers}{f' ({names})' if names else ''}, the oldest for {span(oldest_s)}"
    return f"{_plural(len(alive), 'worker')} leaving" if alive else "the keeper is signing off"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
