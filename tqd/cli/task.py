"""`tqd task show|ls|cancel`: what is known of tasks, in Redis itself, and their end; no daemon is needed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from tqd.cli import view_task
from tqd.cli.lines import Line, render
from tqd.cli.output import style_of, width_of
from tqd.cli.redis_access import Access, access
from tqd.store import cancelling, dead_letters, task_lookup
from tqd.store.connection import redis_ms
from tqd.store.talk import Talk
from tqd.store.task_lookup import Listed, TaskView
from tqd.system import exits
from tqd.task.cancelling import CancelAnswer
from tqd.task.model import TaskState
from tqd.wire.dead_letter import DeadFilter
from tqd.wire.envelope import Envelope

_ANSWERS = {
    CancelAnswer.CANCELLED: "is cancelled",
    CancelAnswer.ASKED: "is asked to end: at its next await if it runs, else before it runs again",
    CancelAnswer.OVER: "had ended before",
    CancelAnswer.UNKNOWN: "has left no trace, or never was",
}


def run(options: argparse.Namespace) -> int:
    """Do one action; 1 when there is no trace of the task, or it had ended before; 69 without Redis."""
    redis = access(options)
    actions = {"show": _show, "ls": _ls, "cancel": _cancel}
    return actions[options.action](redis, options)


def _show(redis: Access, options: argparse.Namespace) -> int:
    view = redis.lead(task_lookup.show(redis.keys, bytes.fromhex(options.id)))
    if view is None:
        print(
            f"tqd: there is no trace of {options.id} in namespace {redis.config.redis.namespace}: it was "
            "done and kept no result, the result's time is over, it was purged, or it never was",
            file=sys.stderr,
        )
        return exits.FAILURE
    if options.json:
        print(json.dumps(view_task.facts(view, full=True, with_args=options.args), indent=2))
    else:
        _print(view_task.lines_of(view, with_args=options.args))
    return exits.OK


def _ls(redis: Access, options: argparse.Namespace) -> int:
    queues = (options.queue,) if options.queue else redis.config.queues.names
    state = TaskState(options.state) if options.state else None
    if state is TaskState.DEAD:
        listed = redis.lead(_dead(redis, options.queue or "", options.count))
    else:
        listed = redis.lead(task_lookup.listed(redis.keys, queues, state, options.count))
    if options.json:
        rows = [view_task.facts(view) for view in listed.tasks]
        print(json.dumps({"queues": list(queues), "more": listed.more, "tasks": rows}, indent=2))
    else:
        _print(view_task.table_of(listed, queues, options.state or "", width_of(sys.stdout)))
    return exits.OK


def _cancel(redis: Access, options: argparse.Namespace) -> int:
    ids = [bytes.fromhex(one) for one in options.ids]
    answers = redis.lead(cancelling.cancel(redis.keys, ids, options.reason, _result_ttl_s))
    if options.json:
        rows = [{"id": one, "answer": answer.value} for one, answer in zip(options.ids, answers, strict=True)]
        print(json.dumps({"tasks": rows}, indent=2))
    else:
        for one, answer in zip(options.ids, answers, strict=True):
            print(f"{one} {_ANSWERS[answer]}")
    ended = {CancelAnswer.CANCELLED, CancelAnswer.ASKED}
    return exits.OK if set(answers) <= ended else exits.FAILURE


def _result_ttl_s(task: Envelope) -> float:
    return task.options.result_ttl_s or 0.0  # what its declaration says is not known here


def _dead(redis: Access, queue: str, limit: int) -> Talk[Listed]:
    (time,) = yield [("TIME",)]
    found = yield from dead_letters.find(redis.keys, DeadFilter(queue=queue), limit)
    views = [
        TaskView(
            id=letter.id, state=TaskState.DEAD, place="dead", queue=letter.queue, letter=letter,
            now_ms=int(redis_ms(time)),
        )
        for letter in found.letters
    ]  # fmt: skip
    return Listed(tasks=views, more=found.more)


def _print(lines: Sequence[Line]) -> None:
    style = style_of(sys.stdout, os.environ)
    print("\n".join(render(one, None, style) for one in lines))
