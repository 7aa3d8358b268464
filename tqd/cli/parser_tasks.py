"""The flags of the verbs that look at tasks in Redis itself: `task`, `dead` and `cron`."""

from __future__ import annotations

import argparse
import re

from tqd.task.identity import from_text

STATES = ("ready", "scheduled", "claimed", "suspect", "parked", "dead")
MOST_ROWS = 1000

_UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def task(verb: argparse.ArgumentParser) -> None:
    """Add the actions of `tqd task`."""
    actions = verb.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser(
        "show", help="what is known of one task", description="what is known of one task"
    )
    show.add_argument("id", type=_task_id, metavar="ID", help="the task's id, 32 hexadecimal digits")
    show.add_argument("--args", action="store_true", help="show the arguments as well")
    connection(show)
    text = "end tasks: those that wait never run, those that run are cancelled at their next await"
    cancel = actions.add_parser("cancel", help=text, description=text)
    cancel.add_argument("ids", nargs="+", type=_task_id, metavar="ID", help="the tasks' ids")
    cancel.add_argument("--reason", default="", metavar="TEXT", help="told to whoever waits for the result")
    connection(cancel)
    text = "the tasks that run, wait, or are parked"
    ls = actions.add_parser("ls", help=text, description=text)
    ls.add_argument("-q", "--queue", metavar="QUEUE", help="of this queue (else of queues.names)")
    ls.add_argument("--state", choices=STATES, metavar="STATE", help=f"in this state: {', '.join(STATES)}")
    _rows(ls)
    connection(ls)


def dead(verb: argparse.ArgumentParser) -> None:
    """Add the actions of `tqd dead`."""
    actions = verb.add_subparsers(dest="action", metavar="ACTION", required=True)
    texts = {
        "ls": "list dead letters, the newest first",
        "show": "show one: its errors with their tracebacks",
        "replay": "put tasks back into their queues with fresh attempts, the oldest first",
        "purge": "remove dead letters for good, the oldest first",
    }
    ls, show, replay, purge = (actions.add_parser(n, help=t, description=t) for n, t in texts.items())
    _filter(ls)
    _rows(ls)
    show.add_argument("id", type=_task_id, metavar="ID", help="the task's id, 32 hexadecimal digits")
    show.add_argument("--args", action="store_true", help="show the arguments as well")
    for sweep in (replay, purge):
        sweep.add_argument("ids", nargs="*", type=_task_id, metavar="ID", help="these dead letters")
        _filter(sweep)
        sweep.add_argument("--all", action="store_true", dest="everything", help="all dead letters")
        sweep.add_argument("--limit", type=_count, metavar="N", help="at most N of them")
        sweep.add_argument("--dry-run", action="store_true", help="only say what would be done")
    replay.add_argument("--rate", type=_rate, metavar="N", help="tasks per second, like 10 or 0.5 or 10/s")
    for action in (ls, show, replay, purge):
        connection(action)


def cron(verb: argparse.ArgumentParser) -> None:
    """Add the actions of `tqd cron`."""
    actions = verb.add_subparsers(dest="action", metavar="ACTION", required=True)
    texts = {
        "ls": "list the schedules, and when each fires next",
        "next": "tell the next slots, with the clock of the schedule's zone",
        "run": "enqueue a schedule's task now, outside its slots",
    }
    ls, following, run = (actions.add_parser(n, help=t, description=t) for n, t in texts.items())
    name = "the schedule's name, or that of its task when it has one schedule"
    following.add_argument("name", nargs="?", metavar="NAME", help=f"{name} (else all)")
    following.add_argument(
        "-n", "--count", type=_row_count, default=5, metavar="N", help=f"how many (5, at most {MOST_ROWS})"
    )
    run.add_argument("name", metavar="NAME", help=name)
    for action in (ls, following, run):
        connection(action)


def _filter(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "-t", "--task", default="", metavar="NAME", help="of this task; * and ? stand for any"
    )
    action.add_argument("-q", "--queue", default="", metavar="QUEUE", help="of this queue")
    action.add_argument("-e", "--error", default="", metavar="TYPE", help="with this exception")
    action.add_argument(
        "--older-than", type=_age, metavar="AGE", help="dead for longer than 90s, 10m, 2h, 7d"
    )
    action.add_argument("--newer-than", type=_age, metavar="AGE", help="dead for less than that")


def _rows(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "-n", "--count", type=_row_count, default=50, metavar="N", help=f"how many (50, at most {MOST_ROWS})"
    )


def connection(action: argparse.ArgumentParser) -> None:
    """Add the flags that say where Redis is, and `--json`."""
    action.add_argument(
        "-c", "--config", metavar="FILE", help="configuration file (else ./tqd.toml, /etc/tqd/tqd.toml)"
    )
    action.add_argument("-r", "--redis-url", dest="redis.url", metavar="URL", help="where Redis is")
    action.add_argument(
        "--namespace", dest="redis.namespace", metavar="NAME", help="the first part of every key"
    )
    action.add_argument("--json", action="store_true", help="write one JSON object")


# -- values ---------------------------------------------------------------------------------------


def _task_id(text: str) -> str:
    try:
        from_text(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _age(text: str) -> float:
    """Return the seconds of `90`, `90s`, `10m`, `2h`, `7d` or `2w`."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age: it is like 90s, 10m, 2h or 7d")
    return float(found[1]) * _UNITS_S[found[2]]


def _rate(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(?:/s)?", text)
    if found is None or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate: it is tasks per second, like 10 or 0.5")
    return float(found[1])


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tasks: it is 1 or more")
    return int(text)


def _row_count(text: str) -> int:
    count = _count(text)
    if count > MOST_ROWS:
        raise argparse.ArgumentTypeError(f"{text} is too many: at most {MOST_ROWS} are listed")
    return count
