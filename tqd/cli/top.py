"""`tqd top`: the status as a view that is refreshed, or as plain frames where there is no terminal.

It outlives what it watches: a daemon that stops, restarts or hangs, and a Redis that is down.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from tqd.cli.daemon import NotAnswering, accepted, ask, directory_of
from tqd.cli.output import is_terminal, style_of
from tqd.cli.terminal import Terminal, Wake
from tqd.cli.view_head import NOT_ANSWERING, NOT_RUNNING, Status
from tqd.cli.view_top import frame
from tqd.clock import monotonic, pause
from tqd.system import exits
from tqd.system.runtime import RuntimeDirectory

PLAIN_WIDTH = 120
PLAIN_HEIGHT = 100_000

_ANSWER_S = 1.0


class Watch:
    """Asks the daemon for its status again and again, and remembers what it said last."""

    def __init__(self, directory: RuntimeDirectory) -> None:
        self._directory = directory
        self._last: dict[str, Any] = {}
        self._heard = monotonic()

    def status(self) -> Status:
        """Return the status; for a daemon that does not answer the last one, with the reason."""
        try:
            answer = ask(self._directory, "status", timeout_s=_ANSWER_S)
        except NotAnswering as error:
            ago_s = monotonic() - self._heard
            old = f"; all figures are {ago_s:.0f} s old" if self._last else ""
            return {
                **self._last,
                "state": NOT_ANSWERING,
                "healthy": False,
                "problems": [f"{error}{old}"],
            }
        self._heard = monotonic()
        if answer is None:
            self._last = {}
            return {"state": NOT_RUNNING, "runtime_dir": self._directory.path}
        self._last = accepted(answer)
        return answer


def run(options: argparse.Namespace) -> int:
    """Show until somebody leaves; with --count or without a terminal print so many frames.

    Returns 3 when no daemon is running at the last printed frame.
    """
    watch = Watch(directory_of(options))
    if options.count is None and not options.json and is_terminal(sys.stdout, os.environ):
        return _live(watch, options.interval)
    return _plain(watch, options.count or 1, options.interval, as_json=options.json)


def _live(watch: Watch, interval_s: float) -> int:
    style = style_of(sys.stdout, os.environ)
    keys = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
    with Terminal(sys.stdout.fileno(), keys, sys.stdout.encoding) as terminal:
        wake = Wake.TIME
        status: Status = {}
        due = 0.0
        while wake is not Wake.LEAVE:
            if wake is not Wake.RESIZED:
                due = monotonic() + interval_s
                status = watch.status()
            width, height = terminal.size()
            # The last column stays free: a terminal may wrap there, or lose what it has just shown.
            terminal.draw(frame(status, width - 1, height, style))
            wake = terminal.wait(max(0.0, due - monotonic()))
    return terminal.code


def _plain(watch: Watch, count: int, interval_s: float, *, as_json: bool) -> int:
    style = style_of(sys.stdout, os.environ)
    status: Status = {}
    for number in range(count):
        if number:
            pause(interval_s)
        status = watch.status()
        if as_json:
            print(json.dumps(status), flush=True)
        else:
            width = _plain_width()
            print("\n".join(frame(status, width, PLAIN_HEIGHT, style)), end="\n\n" if count > 1 else "\n")
            sys.stdout.flush()
    return exits.NOT_RUNNING if status["state"] == NOT_RUNNING else exits.OK


def _plain_width() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or PLAIN_WIDTH
    except OSError:
        asked = os.environ.get("COLUMNS", "")
        return int(asked) if asked.isdigit() and int(asked) else PLAIN_WIDTH
