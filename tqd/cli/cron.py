"""`tqd cron ls|next|run`: the schedules that apps have declared, in Redis itself; no daemon is needed."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
from collections.abc import Sequence

from tqd.cli import view_cron
from tqd.cli.lines import Line, render
from tqd.cli.output import style_of, width_of
from tqd.cli.redis_access import Access, access
from tqd.config.secret import read_signing_keys
from tqd.errors import QueueFull
from tqd.schedule.entry import Entry
from tqd.store import cron_table
from tqd.store.calls import NewTask, note_answer, store_new
from tqd.store.cron_table import Row
from tqd.store.talk import Talk
from tqd.system import exits
from tqd.task.identity import NOISE_BYTES, task_id, to_text
from tqd.task.uniqueness import UniqueKey
from tqd.wire.cron_entry import entry_envelope, trust_entry
from tqd.wire.seal import Seal, Untrusted


def run(options: argparse.Namespace) -> int:
    """Do one action; 1 when there is no such schedule, 69 without Redis."""
    redis = access(options)
    rows, now_ms = redis.lead(cron_table.look(redis.keys))
    if options.action == "ls":
        return _ls(rows, now_ms, options)
    found = rows if options.name is None else named(rows, options.name)
    if options.name is not None and len(found) != 1:
        return _not_one(found, rows, options.name)
    if options.action == "next":
        return _next(found, now_ms, options)
    return _run(redis, found[0], now_ms, options)


def named(rows: Sequence[Row], name: str) -> list[Row]:
    """Return the schedule of a name, or else all schedules of the task of that name."""
    exact = [row for row in rows if row.name == name]
    return exact or [row for row in rows if row.entry is not None and row.entry.task == name]


def _ls(rows: Sequence[Row], now_ms: int, options: argparse.Namespace) -> int:
    if options.json:
        facts = [view_cron.facts(row, now_ms) for row in rows]
        print(json.dumps({"now_ms": now_ms, "schedules": facts}, indent=2))
    else:
        _print(view_cron.table_of(rows, now_ms, width_of(sys.stdout)))
    return exits.OK


def _next(rows: Sequence[Row], now_ms: int, options: argparse.Namespace) -> int:
    coming = view_cron.coming(rows, now_ms, options.count)
    if options.json:
        slots = [{"name": row.name, "slot_ms": slot, "slot": local} for slot, local, row in coming]
        print(json.dumps({"now_ms": now_ms, "slots": slots}, indent=2))
    else:
        _print(view_cron.coming_lines(coming, now_ms, options.name or ""))
    return exits.OK


def _run(redis: Access, row: Row, now_ms: int, options: argparse.Namespace) -> int:
    if row.entry is None:
        print(f"tqd: the schedule {row.name} cannot be read: {row.problem}", file=sys.stderr)
        return exits.FAILURE
    keys = read_signing_keys(redis.config, os.environ)
    seal = Seal(keys) if keys else None
    try:
        trust_entry(row.name, row.value, seal)
    except Untrusted as error:
        print(f"tqd: the schedule {row.name} is not to be trusted: {error}", file=sys.stderr)
        return exits.FAILURE
    identity = task_id(now_ms, 0, os.urandom(NOISE_BYTES))
    identity, duplicate = redis.lead(_stored(redis, row.entry, identity, now_ms, seal))
    text = to_text(identity)
    if options.json:
        facts = {"name": row.name, "task": row.entry.task, "id": text, "duplicate": duplicate}
        print(json.dumps(facts, indent=2))
    elif duplicate:
        print(f"{text}  {row.entry.task} holds the schedule's unique key already: nothing was enqueued")
    else:
        print(f"{text}  {row.entry.task} on {row.entry.queue}, outside the slots of {row.name}")
    return exits.OK


def _stored(
    redis: Access, entry: Entry, identity: bytes, now_ms: int, seal: Seal | None
) -> Talk[tuple[bytes, bool]]:
    """Store the task; returns the id under which it is, and whether it was there already.

    QueueFull: its queue holds as many tasks as it may.
    """
    envelope = entry_envelope(entry, now_ms, "")
    signed = envelope if seal is None else seal.seal(identity, envelope)
    unique = UniqueKey.of(entry.held) if entry.held else None
    task = NewTask(identity, entry.queue, signed, unique=unique)
    (reply,) = yield [store_new(redis.keys, f"{os.urandom(8).hex()}.0", 1, [task])]
    if isinstance(reply, list) and isinstance(reply[0], int):
        raise QueueFull(entry.queue, reply[0], reply[1], None)
    if unique is None:
        return identity, False
    note_answer([task], reply)
    return unique.stored_id, unique.duplicate


def _not_one(found: Sequence[Row], rows: Sequence[Row], name: str) -> int:
    if found:
        names = ", ".join(f'"{row.name}"' for row in found)
        print(f"tqd: {name} has {len(found)} schedules: name one of {names}", file=sys.stderr)
        return exits.FAILURE
    near = difflib.get_close_matches(name, [row.name for row in rows], 1)
    hint = f'did you mean "{near[0]}"?' if near else "tqd cron ls lists them"
    print(f'tqd: there is no schedule "{name}"; {hint}', file=sys.stderr)
    return exits.FAILURE


def _print(lines: Sequence[Line]) -> None:
    style = style_of(sys.stdout, os.environ)
    print("\n".join(render(one, None, style) for one in lines))
