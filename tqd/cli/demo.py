"""`tqd demo`: a mixed workload on a private Redis, a worker killed half-way, and an account of every task.

1. Start a daemon of its own and wait until it is ready.
2. Enqueue for some seconds; read the tasks' journal and the daemon's status; show both.
3. Half-way, kill the worker that has most tasks in hand.
4. When all is done, or nothing moves any more, compare journal, enqueued numbers and tqd's counters.
5. Stop the daemon, remove its directory; keep it when the account does not balance.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from types import FrameType
from typing import NoReturn

from tqd.cli.demo_account import account, faults
from tqd.cli.demo_counters import counters
from tqd.cli.demo_daemon import WORKERS, Daemon, private_directory
from tqd.cli.demo_plan import plan
from tqd.cli.demo_report import NEXT, report, verdict, waits
from tqd.cli.demo_run import Run
from tqd.cli.demo_screen import Screen
from tqd.cli.demo_view import Line, Tone
from tqd.errors import TqdError
from tqd.system import exits
from tqd.system.embedded import find_binary
from tqd.system.runtime import RuntimeDirectory

MOST_TASKS = 1_000_000
_LEAVE_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(options: argparse.Namespace) -> int:
    """Run the demo; 0 when the account balances, 1 when not, 78 when there is no server to embed."""
    if not 0 <= options.tasks <= MOST_TASKS:
        print(f"tqd: --tasks is {options.tasks}: it is a number from 0 to {MOST_TASKS:,}", file=sys.stderr)
        return exits.USAGE
    _, origin = find_binary()
    works = plan(options.tasks)
    screen = Screen(sys.stdout, os.environ, plain=options.plain)
    screen.write(
        [
            Line(f"tqd demo: {len(works):,} tasks, {WORKERS} workers, a private Redis ({origin});"),
            Line("one worker is killed half-way. About ten seconds; nothing is left behind."),
        ]
    )
    for number in _LEAVE_ON:
        signal.signal(number, _leave)
    place = private_directory()
    keep = False
    daemon = Daemon(place)
    try:
        code = _played(Run(daemon, place, works, screen), daemon, screen)
        keep = code != exits.OK
        return code
    except TqdError:
        keep = True
        raise
    except KeyboardInterrupt:
        screen.close()
        screen.write([Line("interrupted: the daemon is being stopped; nothing is left behind")])
        raise
    finally:
        _clean_up(daemon, screen, place, keep=keep)


def _played(run: Run, daemon: Daemon, screen: Screen) -> int:
    contradictions = run.play()
    code = daemon.stop()
    screen.close()
    run.read_journal()
    own = counters(run.status, run.ledger)
    result = account(run.ledger, run.enqueued, run.killed, own.dead)
    wrong = faults(result, run.killed) + contradictions
    if run.enqueued < len(run.works):
        wrong.append(f"only {run.enqueued:,} of {len(run.works):,} tasks could be enqueued")
    if code != 0:
        wrong.append(f"the daemon ended with exit code {code} when it was stopped")
    screen.write([Line(""), *report(result, own), *waits(run.ledger, run.works, run.enqueued_at)])
    screen.write(verdict(result, wrong))
    if wrong:
        return exits.FAILURE
    screen.write([Line(""), *(Line(text, Tone.FAINT) for text in NEXT)])
    return exits.OK


def _clean_up(daemon: Daemon, screen: Screen, place: RuntimeDirectory, *, keep: bool) -> None:
    # A second Ctrl-C would leave the daemon to the kernel and the directory to nobody.
    for number in _LEAVE_ON:
        signal.signal(number, signal.SIG_IGN)
    try:
        daemon.stop()
        if not keep:
            shutil.rmtree(place.path, ignore_errors=True)
    finally:
        screen.close()
    if keep:
        print(f"tqd: logs and journal of this demo are kept in {place.path}", file=sys.stderr)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
