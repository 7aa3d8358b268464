"""`tqd dead ls|show|replay|purge`: the tasks that failed for good, in Redis itself; no daemon is needed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from tqd.cli import view_dead
from tqd.cli.daemon import INTERRUPTED
from tqd.cli.lines import Line, render
from tqd.cli.output import style_of, width_of
from tqd.cli.redis_access import Access, access
from tqd.store import dead_letters
from tqd.store.connection import redis_ms
from tqd.store.dead_letters import Swept
from tqd.store.talk import Talk
from tqd.system import exits
from tqd.task.pace import Pace
from tqd.wire.dead_letter import DeadFilter


def run(options: argparse.Namespace) -> int:
    """Do one action; 1 when a named task is no dead letter, 64 when nothing was chosen, 69 without Redis."""
    if options.action == "ls":
        return _ls(access(options), options)
    if options.action == "show":
        return _show(access(options), options)
    return _sweep(options)


def _ls(redis: Access, options: argparse.Namespace) -> int:
    which = _filter(options)
    found = redis.lead(dead_letters.find(redis.keys, which, options.count))
    total = redis.lead(dead_letters.total(redis.keys))
    if options.json:
        rows = [view_dead.facts(letter) for letter in found.letters]
        print(json.dumps({"total": total, "more": found.more, "dead_letters": rows}, indent=2))
        return exits.OK
    now_ms = redis.lead(_now_ms())
    _print(view_dead.table_of(found, total, str(which), now_ms, width_of(sys.stdout)))
    return exits.OK


def _show(redis: Access, options: argparse.Namespace) -> int:
    letter = redis.lead(dead_letters.get(redis.keys, bytes.fromhex(options.id)))
    if letter is None:
        hint = f"tqd task show {options.id} tells whether it is anything else"
        print(f"tqd: {options.id} is no dead letter; {hint}", file=sys.stderr)
        return exits.FAILURE
    if options.json:
        print(json.dumps(view_dead.facts(letter, full=True, with_args=options.args), indent=2))
    else:
        _print(view_dead.letter_lines(letter, redis.lead(_now_ms()), with_args=options.args))
    return exits.OK


def _sweep(options: argparse.Namespace) -> int:
    which = _filter(options)
    if sum((bool(options.ids), not which.is_empty, options.everything)) != 1:
        print(
            f"tqd: say which dead letters to {options.action}: ids, or a filter such as --task, or --all; "
            "tqd dead ls lists them",
            file=sys.stderr,
        )
        return exits.USAGE
    redis = access(options)
    chosen = [bytes.fromhex(one) for one in options.ids] if options.ids else which
    swept = Swept()

    def note(so_far: Swept) -> None:
        nonlocal swept
        swept = so_far

    if options.action == "replay":
        run_name = os.urandom(8).hex()
        pace = Pace(options.rate)
        talk = dead_letters.replay(
            redis.keys, chosen, run_name, pace, options.limit, options.dry_run, on_page=note
        )
    else:
        talk = dead_letters.purge(redis.keys, chosen, options.limit, options.dry_run, on_page=note)
    try:
        swept = redis.lead(talk)
    except KeyboardInterrupt:
        _tell(swept, options, str(which))
        print("tqd: interrupted; the rest is as it was", file=sys.stderr)
        return INTERRUPTED
    _tell(swept, options, str(which))
    return exits.FAILURE if swept.missing or swept.skipped else exits.OK


def _tell(swept: Swept, options: argparse.Namespace, which: str) -> None:
    if options.json:
        print(json.dumps(view_dead.swept_facts(swept, options.action, dry_run=options.dry_run), indent=2))
        return
    _print(view_dead.swept_lines(swept, options.action, which, dry_run=options.dry_run))
    for identity in swept.missing:
        print(f"tqd: {identity} is no dead letter (any more)", file=sys.stderr)
    for identity, reason in swept.skipped:
        print(f"tqd: {identity} stays: {reason}", file=sys.stderr)


def _filter(options: argparse.Namespace) -> DeadFilter:
    return DeadFilter(
        name=options.task,
        queue=options.queue,
        error=options.error,
        older_than_s=options.older_than,
        newer_than_s=options.newer_than,
    )


def _now_ms() -> Talk[int]:
    (time,) = yield [("TIME",)]
    return int(redis_ms(time))


def _print(lines: Sequence[Line]) -> None:
    style = style_of(sys.stdout, os.environ)
    print("\n".join(render(one, None, style) for one in lines))
