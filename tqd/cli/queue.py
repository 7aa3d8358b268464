"""`tqd queue ls|show|pause|resume|purge`: the queues, in Redis itself; no daemon is needed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from tqd.cli import view_queue
from tqd.cli.daemon import INTERRUPTED
from tqd.cli.lines import Line, render
from tqd.cli.output import style_of, width_of
from tqd.cli.redis_access import Access, access
from tqd.store import queues
from tqd.store.queues import Purged
from tqd.system import exits
from tqd.task.model import TaskState

_STATES = {
    "ready": (TaskState.READY,),
    "scheduled": (TaskState.SCHEDULED,),
    "all": (TaskState.READY, TaskState.SCHEDULED),
}


def run(options: argparse.Namespace) -> int:
    """Do one action; 1 when somebody said no to a purge, 69 without Redis."""
    redis = access(options)
    if options.action == "ls":
        return _ls(redis, options)
    if options.action == "show":
        return _show(redis, options)
    if options.action == "purge":
        return _purge(redis, options)
    return _pause(redis, options, paused=options.action == "pause")


def _ls(redis: Access, options: argparse.Namespace) -> int:
    found = redis.lead(queues.views(redis.keys, redis.config.queues.names))
    if options.json:
        print(json.dumps({"queues": [view_queue.facts(view) for view in found]}, indent=2))
    else:
        _print(view_queue.table_of(found, width_of(sys.stdout)))
    return exits.OK


def _show(redis: Access, options: argparse.Namespace) -> int:
    view = redis.lead(queues.view_of(redis.keys, options.name))
    if options.json:
        print(json.dumps(view_queue.facts(view), indent=2))
    else:
        served = options.name in redis.config.queues.names
        _print(view_queue.lines_of(view, served=served))
    return exits.OK


def _pause(redis: Access, options: argparse.Namespace, *, paused: bool) -> int:
    changed = redis.lead(queues.pause(redis.keys, options.name, paused=paused))
    if options.json:
        print(json.dumps({"queue": options.name, "paused": paused, "changed": changed}, indent=2))
    else:
        print(view_queue.paused_text(options.name, paused=paused, changed=changed))
    return exits.OK


def _purge(redis: Access, options: argparse.Namespace) -> int:
    states = _STATES[options.state]
    if not (options.dry_run or options.yes) and sys.stdin.isatty() and not _agreed(redis, options):
        print("tqd: nothing was removed", file=sys.stderr)
        return exits.FAILURE
    purged = Purged()

    def note(so_far: Purged) -> None:
        nonlocal purged
        purged = so_far

    talk = queues.purge(redis.keys, options.name, states, dry_run=options.dry_run, on_step=note)
    try:
        purged = redis.lead(talk)
    except KeyboardInterrupt:
        _tell(purged, options)
        print("tqd: interrupted; the rest is as it was", file=sys.stderr)
        return INTERRUPTED
    _tell(purged, options)
    return exits.OK


def _agreed(redis: Access, options: argparse.Namespace) -> bool:
    would = redis.lead(queues.purge(redis.keys, options.name, _STATES[options.state], dry_run=True))
    print(f"{view_queue.purged_text(would, options.name)}, for good. Go on? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _tell(purged: Purged, options: argparse.Namespace) -> None:
    if options.json:
        facts = {"queue": options.name, "ready": purged.ready, "scheduled": purged.scheduled}
        print(json.dumps({**facts, "dry_run": options.dry_run}, indent=2))
    else:
        print(view_queue.purged_text(purged, options.name))


def _print(lines: Sequence[Line]) -> None:
    style = style_of(sys.stdout, os.environ)
    print("\n".join(render(one, None, style) for one in lines))
