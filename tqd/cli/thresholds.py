"""`tqd thresholds`: what the autoscaler goes by, what of it was learned, and to stop or undo the learning."""

from __future__ import annotations

import argparse
import json
import os
import sys

from tqd.cli import view_scaling
from tqd.cli.daemon import demand, directory_of
from tqd.cli.lines import render
from tqd.cli.output import style_of
from tqd.system import exits


def run(options: argparse.Namespace) -> int:
    """Carry out what is asked for, and print the thresholds; NotRunning when there is nobody to ask."""
    answer = demand(directory_of(options), {"verb": "thresholds", "do": options.what})
    if options.json:
        print(json.dumps(answer, indent=2))
        return exits.OK
    style = style_of(sys.stdout, os.environ)
    print("\n".join(render(one, None, style) for one in view_scaling.thresholds(answer)))
    return exits.OK
