"""Dead letters as lines for a person and as values for JSON. Pure.

Arguments are shown only when that was asked for: they may hold what is nobody's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tqd.cli.figures import age, count
from tqd.cli.lines import Column, Line, Piece, Tone, cut, line, printable, table
from tqd.cli.view_moment import moment
from tqd.store.dead_letters import Found, Swept
from tqd.task.identity import ID_BYTES
from tqd.wire.dead_letter import DeadLetter

ERROR_COLUMNS = 60
ID_COLUMNS = 2 * ID_BYTES
UNREADABLE = "?"
_HEADS = (
    Column("task", right=False),
    Column("id", right=False),
    Column("queue", right=False, rank=2),
    Column("died", rank=0),
    Column("attempts", rank=3),
    Column("error", right=False, rank=1),
)


def facts(letter: DeadLetter, *, full: bool = False, with_args: bool = False) -> dict[str, Any]:
    """Return a letter for JSON; `full` with the chain of errors and their tracebacks."""
    known: dict[str, Any] = {
        "id": letter.id,
        "name": letter.name or None,
        "queue": letter.queue or None,
        "reason": letter.reason or None,
        "error_type": letter.error_type or None,
        "error_message": letter.error_message or None,
        "attempts": letter.attempts,
        "enqueued_ms": letter.enqueued_ms or None,
        "failed_ms": letter.failed_ms,
        "worker": letter.worker or None,
        "problem": letter.problem or None,
    }
    if full:
        known["errors"] = [
            {"type": kind, "message": message, "traceback": trace} for kind, message, trace in letter.errors
        ]
        known["arguments"] = argument_facts(letter.args, letter.kwargs, with_args=with_args)
    return known


def argument_facts(args: Sequence[Any], kwargs: Mapping[str, Any], *, with_args: bool) -> dict[str, Any]:
    """Return arguments for JSON: their number and names, and their values as text when asked for."""
    known: dict[str, Any] = {"positional": len(args), "keywords": sorted(kwargs)}
    if with_args:
        known["args"] = [repr(value) for value in args]
        known["kwargs"] = {name: repr(value) for name, value in kwargs.items()}
    return known


def argument_lines(args: Sequence[Any], kwargs: Mapping[str, Any], *, with_args: bool) -> list[Line]:
    """Return the arguments as lines: their number and names, and their values when asked for."""
    if with_args:
        shown = [repr(value) for value in args] + [f"{name}={value!r}" for name, value in kwargs.items()]
        return field("arguments", shown[0] if shown else "none") + [
            line(f"  {'':11}{printable(text)}") for text in shown[1:]
        ]
    names = f" and {', '.join(sorted(kwargs))}" if kwargs else ""
    hidden = "; --args shows them" if args or kwargs else ""
    return field("arguments", f"{len(args)} by position{names}{hidden}")


def field(name: str, value: str, tone: Tone = Tone.PLAIN) -> list[Line]:
    """Return `name  value` as a line, none when the value is empty."""
    return [[(f"  {name:11}", Tone.FAINT), (printable(value), tone)]] if value else []


def table_of(found: Found, total: int, which: str, now_ms: int, width: int | None) -> list[Line]:
    """Return the letters as a table, and under it how many there are in all."""
    letters = found.letters
    if not letters:
        looked = " among those looked through" if found.more else ""
        return [
            line(
                "no dead letters"
                if not total
                else f"no dead letter of {count(total)} matches {which}{looked}"
            )
        ]
    rows = [_row(letter, now_ms) for letter in letters]
    more = "; there are more: -n, or a filter" if found.more else ""
    shown = f"{count(len(letters))} of {count(total)} dead letters{more}"
    return [*table(_HEADS, rows, width), line(shown, Tone.FAINT)]


def _row(letter: DeadLetter, now_ms: int) -> list[Piece]:
    error = letter.problem or f"{letter.error_type}: {letter.error_message}"
    return [
        (printable(letter.name or UNREADABLE), Tone.STRONG),
        (cut(letter.id, ID_COLUMNS), Tone.PLAIN),
        (printable(letter.queue or UNREADABLE), Tone.PLAIN),
        (age((now_ms - letter.failed_ms) / 1000), Tone.PLAIN),
        (str(letter.attempts), Tone.PLAIN),
        (cut(printable(error), ERROR_COLUMNS), Tone.BAD),
    ]


def letter_lines(letter: DeadLetter, now_ms: int, *, with_args: bool) -> list[Line]:
    """Return all about one letter, its tracebacks at the end."""
    out = [[("dead letter ", Tone.PLAIN), (letter.id, Tone.STRONG)]]
    out += field("task", letter.name or UNREADABLE, Tone.STRONG)
    out += field("queue", letter.queue or UNREADABLE)
    out += field("enqueued", moment(letter.enqueued_ms, now_ms))
    out += field("died", moment(letter.failed_ms, now_ms))
    out += field("reason", letter.reason)
    out += field("attempts", str(letter.attempts))
    out += field("worker", letter.worker)
    out += field("problem", letter.problem, Tone.BAD)
    if letter.name:
        out += argument_lines(letter.args, letter.kwargs, with_args=with_args)
    return out + error_lines(letter)


def error_lines(letter: DeadLetter) -> list[Line]:
    """Return the chain of errors: each with its traceback, or its message when it has none."""
    out: list[Line] = []
    for number, (kind, message, trace) in enumerate(letter.errors):
        out.append(line(""))
        out.append(line(printable(f"{'because of ' if number else ''}{kind}: {message}"), Tone.BAD))
        out += [line(f"  {printable(row)}") for row in trace.splitlines()]
    return out


def swept_facts(swept: Swept, action: str, *, dry_run: bool) -> dict[str, Any]:
    """Return what a replay or a purge did, for JSON."""
    return {
        "action": action,
        "dry_run": dry_run,
        "matched": swept.matched,
        "done": 0 if dry_run else swept.done,
        "by_name": swept.by_name,
        "skipped": [{"id": identity, "reason": reason} for identity, reason in swept.skipped],
        "missing": swept.missing,
    }


def swept_lines(swept: Swept, action: str, which: str, *, dry_run: bool) -> list[Line]:
    """Return what a replay or a purge did, or would do, by task name."""
    did = {"replay": "replayed", "purge": "purged"}[action]
    if not swept.matched and swept.missing:
        return [line(f"nothing to {action}")]
    if not swept.matched:
        return [
            line(
                f"nothing to {action}: no dead letter matches {which}"
                if which != "all"
                else f"nothing to {action}: there are no dead letters"
            )
        ]
    verb = f"would be {did}" if dry_run else did
    noun = "dead letter" if swept.done == 1 else "dead letters"
    head = f"{count(swept.done)} {noun} {verb}"
    names = sorted(swept.by_name.items(), key=lambda pair: (-pair[1], pair[0]))
    return [
        line(head),
        *(line(f"  {count(number)}  {printable(name or UNREADABLE)}") for name, number in names),
    ]
