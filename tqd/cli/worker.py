"""`tqd worker ls`: every worker, and the probe, with all its figures and the tasks it runs."""

from __future__ import annotations

import argparse
import json
import os
import sys

from tqd.cli import view_tables
from tqd.cli.daemon import demand, directory_of
from tqd.cli.lines import render
from tqd.cli.output import style_of, width_of
from tqd.system import exits


def run(options: argparse.Namespace) -> int:
    """Print the workers; NotRunning when there is nobody to ask."""
    status = demand(directory_of(options), "status")
    workers = status.get("workers") or []
    workers += status.get("probes") or []
    if options.json:
        print(json.dumps({"workers": workers}, indent=2))
        return exits.OK
    width, style = width_of(sys.stdout), style_of(sys.stdout, os.environ)
    print("\n".join(render(one, width, style) for one in view_tables.workers_and_tasks(workers)))
    return exits.OK
