"""`tqd quiet` and `tqd resume`: no new tasks are claimed, or they are again. Running tasks go on."""

from __future__ import annotations

import argparse

from tqd.cli.daemon import demand, directory_of
from tqd.system import exits


def run(options: argparse.Namespace) -> int:
    """Tell the daemon, and print its answer."""
    answer = demand(directory_of(options), options.verb)
    print(answer.get("text") or f"{options.verb}: done")
    return exits.OK
