"""The flags of `tqd queue`."""

from __future__ import annotations

import argparse
import re

from tqd.cli.parser_tasks import connection

PURGEABLE = ("ready", "scheduled", "all")


def queue(verb: argparse.ArgumentParser) -> None:
    """Add the actions of `tqd queue`."""
    actions = verb.add_subparsers(dest="action", metavar="ACTION", required=True)
    texts = {
        "ls": "what every queue holds, and its limits",
        "show": "all about one queue",
        "pause": "let no worker claim of a queue; what runs goes on, producers can enqueue",
        "resume": "let workers claim of it again",
        "purge": "remove what waits in a queue for good; what runs goes on",
    }
    for name, text in texts.items():
        action = actions.add_parser(name, help=text, description=text)
        if name != "ls":
            action.add_argument("name", type=_queue_name, metavar="QUEUE", help="the queue")
        if name == "purge":
            action.add_argument(
                "--state", choices=PURGEABLE, default="all", help="only what is ready, or scheduled (all)"
            )
            action.add_argument("--dry-run", action="store_true", help="only say what would be removed")
            action.add_argument("-y", "--yes", action="store_true", help="do not ask at a terminal")
        connection(action)


def _queue_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no queue name: 1 to 64 of the characters A-Z a-z 0-9 _ . - are"
        )
    return text
