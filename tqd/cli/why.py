"""`tqd why`: the last events and refusals of the daemon, one line each, the newest last."""

from __future__ import annotations

import argparse
import json
import os
import sys

from tqd.cli import view_events
from tqd.cli.daemon import demand, directory_of
from tqd.cli.lines import render
from tqd.cli.output import style_of
from tqd.system import exits


def run(options: argparse.Namespace) -> int:
    """Print the events; NotRunning when there is nobody to ask."""
    answer = demand(directory_of(options), {"verb": "why", "count": options.count})
    if options.json:
        print(json.dumps(answer, indent=2))
        return exits.OK
    style = style_of(sys.stdout, os.environ)
    for one in (answer.get("events") or [])[-options.count :]:
        # Never cut: the reason of a refusal may be at the end of its line.
        print(render(view_events.event(one, dated=True), None, style))
    return exits.OK
