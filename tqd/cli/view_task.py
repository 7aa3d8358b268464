"""Tasks as lines for a person and as values for JSON. Pure. Arguments are shown only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tqd.cli.figures import age, count
from tqd.cli.lines import Column, Line, Piece, Tone, cut, line, printable, table
from tqd.cli.view_dead import ID_COLUMNS, UNREADABLE, argument_facts, argument_lines, error_lines, field
from tqd.cli.view_moment import moment
from tqd.errors import WireError
from tqd.store.task_lookup import Listed, TaskView
from tqd.task.identity import ID_BYTES, created_ms
from tqd.task.model import TaskState
from tqd.wire.envelope import decode_value
from tqd.wire.records import ResultRecord

RESULT_COLUMNS = 2_000
NOWHERE = "in no place that was found"
SUSPECT_TEXT = "workers died with it in hand: it waits to be run alone, in the probe"
_TONES = {
    TaskState.DEAD: Tone.BAD,
    TaskState.PARKED: Tone.NOTE,
    TaskState.SUSPECT: Tone.NOTE,
    TaskState.DONE: Tone.GOOD,
}
_HEADS = (
    Column("task", right=False),
    Column("id", right=False),
    Column("state", right=False),
    Column("queue", right=False, rank=1),
    Column("age", rank=2),
    Column("due in", rank=3),
    Column("attempts", rank=4),
    Column("worker", right=False, rank=5),
)


def facts(view: TaskView, *, full: bool = False, with_args: bool = False) -> dict[str, Any]:
    """Return a task for JSON; what is not known is null. `full` with arguments, result and history."""
    counts, letter, task = view.counts, view.letter, view.envelope
    known: dict[str, Any] = {
        "id": view.id,
        "name": name_of(view) or None,
        "state": view.state.value if view.state else None,
        "place": view.place or None,
        "queue": view.queue or None,
        "position": view.position or None,
        "enqueued_ms": _enqueued_ms(view) or None,
        "due_ms": view.due_ms or None,
        "worker": view.worker or None,
        "attempts": letter.attempts if letter else counts.attempts if counts else 0,
        "crashes": counts.deaths if counts else 0,
        "problem": view.problem or None,
    }
    if not full:
        return known
    known["replays"], known["replayed_ms"] = view.replays, view.replayed_ms or None
    known["unique"] = view.unique or None
    known["limit_key"] = (task.limit_key or None) if task else None
    known["held_by"] = view.held_by or None
    known["cancel_requested_ms"] = view.mark.asked_ms if view.mark else None
    known["cancel_reason"] = (view.mark.reason or None) if view.mark else None
    known["arguments"] = argument_facts(task.args, task.kwargs, with_args=with_args) if task else None
    known["result"] = _result_facts(view.result) if view.result else None
    if letter is not None:
        known["failed_ms"], known["reason"] = letter.failed_ms, letter.reason or None
        known["errors"] = [{"type": e[0], "message": e[1], "traceback": e[2]} for e in letter.errors]
    return known


def name_of(view: TaskView) -> str:
    """Return the task's name, empty when it cannot be read."""
    return view.envelope.name if view.envelope else view.letter.name if view.letter else ""


def table_of(listed: Listed, queues: Sequence[str], state: str, width: int | None) -> list[Line]:
    """Return tasks as a table; a sentence when there are none."""
    if not listed.tasks:
        what = f"no {state} tasks" if state else "no tasks run, wait or are parked"
        return [line(f"{what} in {', '.join(queues)}")]
    rows = [_row(view) for view in listed.tasks]
    more = "; there are more: -n, --queue, --state" if listed.more else ""
    noun = "task" if len(rows) == 1 else "tasks"
    return [*table(_HEADS, rows, width), line(f"{count(len(rows))} {noun}{more}", Tone.FAINT)]


def _row(view: TaskView) -> list[Piece]:
    known = facts(view)
    enqueued_ms, due_ms = _enqueued_ms(view), view.due_ms
    state = view.state or NOWHERE
    return [
        (printable(name_of(view) or UNREADABLE), Tone.STRONG),
        (cut(view.id, ID_COLUMNS), Tone.PLAIN),
        (str(state), _TONES.get(view.state, Tone.PLAIN) if view.state else Tone.BAD),
        (printable(view.queue or UNREADABLE), Tone.PLAIN),
        (age((view.now_ms - enqueued_ms) / 1000 if enqueued_ms else None), Tone.PLAIN),
        (age((due_ms - view.now_ms) / 1000) if due_ms else "", Tone.PLAIN),
        (str(known["attempts"]), Tone.PLAIN),
        (printable(view.worker), Tone.PLAIN),
    ]


def lines_of(view: TaskView, *, with_args: bool) -> list[Line]:
    """Return all about one task: state and place, its options, its history, its errors and its result."""
    task = view.envelope
    state = view.state.value if view.state else NOWHERE
    tone = _TONES.get(view.state, Tone.STRONG) if view.state else Tone.BAD
    out: list[Line] = [[("task ", Tone.PLAIN), (view.id, Tone.STRONG), (" is ", Tone.PLAIN), (state, tone)]]
    out += field("name", name_of(view), Tone.STRONG)
    out += field("queue", view.queue)
    out += field("place", f"{view.place}{f', number {count(view.position)}' if view.position else ''}")
    if view.state is TaskState.SUSPECT:
        out += field("suspect", SUSPECT_TEXT, Tone.NOTE)
    if view.held_by:
        out += field("held back", f"by the limits of key {printable(view.held_by)}", Tone.NOTE)
    out += field("problem", view.problem, Tone.BAD)
    if view.mark is not None:
        why = f": {view.mark.reason}" if view.mark.reason else ""
        out += field("cancel", f"requested {moment(view.mark.asked_ms, view.now_ms)}{why}", Tone.NOTE)
    out += field("unique", view.unique)
    if task is not None:
        out += argument_lines(task.args, task.kwargs, with_args=with_args)
        given = {slot: getattr(task.options, slot) for slot in task.options.__slots__}
        out += field("options", ", ".join(f"{k} {v}" for k, v in given.items() if v is not None))
        out += field("headers", ", ".join(sorted(task.headers)))
    out += _history(view)
    if view.result is not None:
        out += _result_lines(view.result)
    return out + (error_lines(view.letter) if view.letter else [])


def _history(view: TaskView) -> list[Line]:
    now_ms, counts, letter = view.now_ms, view.counts, view.letter
    out = field("enqueued", moment(_enqueued_ms(view), now_ms))
    if view.replays:
        out += field("replayed", f"{count(view.replays)} ×, last {moment(view.replayed_ms, now_ms)}")
    if letter is None and counts is not None:
        out += field("attempts", f"{counts.attempts} failed, the worker died in {counts.deaths}")
    out += field("worker", view.worker)
    out += field("due", moment(view.due_ms, now_ms))
    if letter is not None:
        out += field("died", moment(letter.failed_ms, now_ms))
        out += field(
            "reason", f"{letter.reason}; attempts: {letter.attempts}, the last on {letter.worker or '-'}"
        )
    if view.result is not None:
        out += field("finished", moment(view.result.finished_ms, now_ms))
    return out


def _enqueued_ms(view: TaskView) -> int:
    if view.envelope is not None:
        return view.envelope.enqueued_ms
    identity = bytes.fromhex(view.id)
    # An id begins with the time at which it was made, unless somebody else made it up.
    return min(created_ms(identity), view.now_ms) if len(identity) == ID_BYTES else 0


def _result_lines(result: ResultRecord) -> list[Line]:
    if result.state is TaskState.DEAD:
        return field("result", f"{result.error_type}: {result.error_message}", Tone.BAD)
    if result.state in (TaskState.CANCELLED, TaskState.EXPIRED):
        return field("reason", result.error_message)
    return field("result", cut(_value(result), RESULT_COLUMNS))


def _result_facts(result: ResultRecord) -> dict[str, Any]:
    return {
        "state": result.state.value,
        "value": None if result.value is None else _value(result),
        "error_type": result.error_type or None,
        "error_message": result.error_message or None,
        "finished_ms": result.finished_ms,
    }


def _value(result: ResultRecord) -> str:
    if result.value is None:
        return ""
    try:
        return repr(decode_value(result.value, len(result.value)))
    except WireError as error:
        return f"cannot be read: {error}"
