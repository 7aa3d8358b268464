"""`tqd why`: the last events and refusals of the daemon, and why it has as many workers as it has."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from tqd.cli import view_events, view_scaling
from tqd.cli.daemon import demand, directory_of
from tqd.cli.lines import Line, line, render
from tqd.cli.output import style_of
from tqd.system import exits

EVENTS = 20


def run(options: argparse.Namespace) -> int:
    """Print them, the newest last; NotRunning when there is nobody to ask."""
    answer = demand(directory_of(options), {"verb": "why", "count": options.count or EVENTS})
    if options.json:
        print(json.dumps(answer, indent=2))
        return exits.OK
    style = style_of(sys.stdout, os.environ)
    for one in lines(answer, options.count):
        # Never cut: the reason of a refusal may be at the end of its line.
        print(render(one, None, style))
    return exits.OK


def lines(answer: Any, count: int | None) -> list[Line]:
    """Return the events, then the last decision; with a `count` so many decisions.

    Its signals only when they are those of now.
    """
    events = [one for one in answer.get("events") or [] if one.get("event") != "scaling_decision"]
    decisions = (answer.get("decisions") or [])[-(count or 1) :]
    out = [view_events.event(one, dated=True) for one in events[-(count or EVENTS) :]]
    note = view_scaling.standing(answer, decisions)
    if note or decisions:
        out += [line(""), *note, *map(view_scaling.decision, decisions)]
    if decisions and not note:
        out += [line(""), *view_scaling.signals(decisions[-1])]
    return out
