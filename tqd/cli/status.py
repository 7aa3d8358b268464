"""`tqd status`: what the daemon is doing, as tables or as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys

from tqd.cli import view_events, view_head, view_tables
from tqd.cli.daemon import accepted, ask, directory_of, looked_in
from tqd.cli.figures import rate, span
from tqd.cli.lines import Line, Tone, fold, line, printable, render
from tqd.cli.output import style_of, width_of
from tqd.cli.view_head import Status
from tqd.system import exits
from tqd.system.runtime import RuntimeDirectory

EVENTS = 5


def run(options: argparse.Namespace) -> int:
    """Print the status; 0 healthy, 1 not, 3 not running."""
    directory = directory_of(options)
    status = ask(directory, "status")
    if status is None:
        tell_not_running(directory, as_json=options.json)
        return exits.NOT_RUNNING
    accepted(status)
    if options.json:
        print(json.dumps(status, indent=2))
    else:
        width, style = width_of(sys.stdout), style_of(sys.stdout, os.environ)
        print("\n".join(render(one, width, style) for one in lines(status, width)))
    return exits.OK if view_head.is_healthy(status) else exits.FAILURE


def tell_not_running(directory: RuntimeDirectory, *, as_json: bool) -> None:
    """Print that no daemon is there, and where it was looked for."""
    if as_json:
        print(json.dumps({"state": view_head.NOT_RUNNING, "runtime_dir": directory.path}))
    else:
        print(f"tqd is not running ({looked_in(directory.path)})")


def lines(status: Status, width: int | None) -> list[Line]:
    """Return the status as lines for a person; `width` is where sentences are folded, None nowhere."""
    out = _head(status, width)
    for text, tone in view_head.news(status, old=True):
        out += [line(row, tone) for row in fold(f"  {text}", width, "    ")]
    out += [
        line(""),
        *view_tables.workers(status.get("workers") or [], width, drawn=False),
        line(""),
        *view_tables.queues(status.get("queues") or [], width),
        view_tables.dead(status),
    ]
    events = (status.get("events") or [])[-EVENTS:]
    if events:
        out += [line(""), line("last events", Tone.FAINT)]
        out += [view_events.event(one, dated=False) for one in events]
    return out


def _head(status: Status, width: int | None) -> list[Line]:
    master = status.get("master") or {}
    state = printable(str(status.get("state", "?")))
    known = [view_head.generation(status), view_head.workers_ready(status)]
    per_s = (status.get("totals") or {}).get("rate_per_s")
    if per_s is not None:
        known.append(f"{rate(per_s)} now")
    return [
        [
            (f"tqd {master.get('version', '?')} is ", Tone.PLAIN),
            (state, view_head.tone_of(state)),
            (
                f": {printable(str(master.get('app', '?')))}, pid {master.get('pid', '-')}, "
                f"up {span(master.get('uptime_s'))}, node {printable(str(master.get('node', '?')))}",
                Tone.PLAIN,
            ),
        ],
        line(", ".join(part for part in known if part)),
        view_head.tasks(status, width),
        *([lately] if (lately := view_head.lately(status, width)) else []),
        view_head.memory(status, width, drawn=False),
        line(_redis(status)),
    ]


def _redis(status: Status) -> str:
    master, known = status.get("master") or {}, status.get("keeper") or {}
    down_s = known.get("redis_down_s")
    says = f"has not served for {span(down_s)}" if down_s else "answers" if down_s == 0 else ""
    beat = "" if known.get("beat_s_ago") is None else f", heard {known['beat_s_ago']:.1f} s ago"
    keeper = f"keeper pid {known.get('pid') or '-'} {printable(str(known.get('state', '-')))}{beat}"
    return f"Redis {printable(str(master.get('redis_url', '-')))} {says}".rstrip() + f"; {keeper}"
