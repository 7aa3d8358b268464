"""`tqd scale`: tell the daemon how many workers to aim at."""

from __future__ import annotations

import argparse

from tqd.cli.daemon import demand, directory_of
from tqd.system import exits


def run(options: argparse.Namespace) -> int:
    """Send the number or the change, and print what the daemon makes of it."""
    answer = demand(directory_of(options), {"verb": "scale", **options.workers})
    print(answer.get("text") or f"{answer.get('was', '-')} workers become {answer.get('workers', '-')}")
    return exits.OK
