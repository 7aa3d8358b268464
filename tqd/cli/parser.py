"""The verbs and their flags.

Only the parser of the verb that is called is built: the flags of `start` come from the table of
settings, which `status` must not pay for.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from tqd.cli import parser_queue, parser_simulate, parser_tasks
from tqd.cli.output import width_of
from tqd.system import exits

Version = Callable[[], str]

_LONGEST_S = 1e9


class _Help(argparse.HelpFormatter):
    """As wide as the terminal. Each flag makes one of these: the base class would load shutil for that."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=(width_of(sys.stdout) or 100) - 2)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **rest: Any) -> None:
        super().__init__(formatter_class=_Help, **rest)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"tqd: {message}; tqd --help lists the verbs and flags", file=sys.stderr)
        raise SystemExit(exits.USAGE)


class _TellVersion(argparse.Action):
    """Finds out the version only when it is asked for: that takes longer than most verbs."""

    def __init__(self, tell: Version, **rest: Any) -> None:
        super().__init__(nargs=0, default=argparse.SUPPRESS, **rest)
        self._tell = tell

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> None:
        print(f"tqd {self._tell()}")
        parser.exit()


def parsed(arguments: Sequence[str], version: Version) -> argparse.Namespace:
    """Return the options of a command line; leaves with a usage error when it is none."""
    if arguments and arguments[0] in VERBS:
        name = arguments[0]
        verb = _described(_Parser(prog=f"tqd {name}", description=VERBS[name].effect), name)
        return verb.parse_args(arguments[1:], argparse.Namespace(verb=name))
    return parser(version).parse_args(arguments)


def parser(version: Version) -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    top = _Parser(
        prog="tqd",
        description="tqd: a task queue for Python on Redis, as a daemon",
        epilog="tqd VERB --help tells the flags of a verb. A verb that asks the daemon finds it by its "
        "runtime directory: --runtime-dir, TQD_RUNTIME_DIR, tqd.toml, $XDG_RUNTIME_DIR/tqd.",
    )
    top.add_argument("--version", action=_TellVersion, tell=version, help="show the version and exit")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_Parser)
    for name, verb in VERBS.items():
        _described(verbs.add_parser(name, help=verb.effect, description=verb.effect), name)
    return top


def _described(verb: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    for flags in VERBS[name].flags:
        flags(verb)
    return verb


# -- flags ----------------------------------------------------------------------------------------


def _config(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "-c", "--config", metavar="FILE", help="configuration file (else ./tqd.toml, /etc/tqd/tqd.toml)"
    )


def _directory(verb: argparse.ArgumentParser) -> None:
    _config(verb)
    verb.add_argument(
        "--runtime-dir", dest="daemon.runtime_dir", metavar="DIR", help="the daemon's runtime directory"
    )


def _settings(verb: argparse.ArgumentParser) -> None:
    from tqd.config.setting import Kind
    from tqd.config.table import SETTINGS

    _config(verb)
    for setting in SETTINGS:
        if not setting.flags:
            continue
        text = setting.effect.replace("%", "%%")
        if setting.kind is Kind.SWITCH:
            verb.add_argument(*setting.flags, dest=setting.key, action="store_true", default=None, help=text)
        else:
            metavar = setting.name.upper()
            verb.add_argument(*setting.flags, dest=setting.key, metavar=metavar, default=None, help=text)


def _json(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="write one JSON object")


def _start(verb: argparse.ArgumentParser) -> None:
    where = verb.add_mutually_exclusive_group()
    where.add_argument("-d", "--detach", action="store_true", help="go into the background when ready")
    where.add_argument("--foreground", action="store_true", help="stay in the foreground (the default)")


def _timeout(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--timeout", type=_seconds, metavar="S", help="give up waiting after so many seconds; exit code 1"
    )


def _stop(verb: argparse.ArgumentParser) -> None:
    how = verb.add_mutually_exclusive_group()
    how.add_argument("--now", action="store_true", help="give the running tasks back at once, at no cost")
    how.add_argument("--kill", action="store_true", help="end all processes now; their tasks run again")


def _reload(verb: argparse.ArgumentParser) -> None:
    until = verb.add_mutually_exclusive_group()
    until.add_argument("--wait", action="store_true", help="return when the old workers are gone (default)")
    until.add_argument("--serving", action="store_true", help="return when the new workers serve")


def _top(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-n", "--count", type=_positive, metavar="N", help="print N frames and exit")
    verb.add_argument("--interval", type=_interval, default=1.0, metavar="S", help="seconds between frames")


def _why(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "-n", "--count", type=_positive, metavar="N", help="how many events (20), and scaling decisions (1)"
    )


def _scale(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "workers", type=_workers, metavar="N|+N|-N", help="how many workers, or how many more or fewer"
    )


def _thresholds(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "what", choices=["show", "freeze", "thaw", "reset"],
        help="show them; learn no more; learn again; forget what was learned",
    )  # fmt: skip


def _worker(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("what", choices=["ls"], help="ls lists them")


def _doctor(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--audit", action="store_true", help="look whether every task is where it belongs")
    verb.add_argument("--repair", action="store_true", help="the same, and mend what can be mended safely")
    verb.add_argument("--acl", metavar="USER", help="print the rule for a user of Redis that may do no more")
    verb.add_argument(
        "--limit", type=_positive, default=100_000, metavar="N", help="entries of each key to read (100000)"
    )


def _demo(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--tasks", type=int, default=2000, metavar="N", help="how many fast tasks to run")
    verb.add_argument("--plain", action="store_true", help="lines instead of a live view")


# -- values ---------------------------------------------------------------------------------------


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds: it is 0 or more")
    return value


def _interval(text: str) -> float:
    value = _number(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range: it is 0.1 to 3600 seconds")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no count: it is a whole number, 1 or more")
    return int(text)


def _workers(text: str) -> dict[str, int]:
    """Return what a request to scale says: `4` is a number of workers, `+1` and `-1` are changes."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 6):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of workers: it is like 4, +1 or -1")
    return {"change" if text[0] in "+-" else "workers": int(text)}


# -- the verbs ------------------------------------------------------------------------------------


class _Verb(NamedTuple):
    effect: str
    flags: tuple[Callable[[argparse.ArgumentParser], None], ...]


VERBS: dict[str, _Verb] = {
    "start": _Verb("run the daemon; -d puts it into the background when ready", (_settings, _start)),
    "stop": _Verb("let running tasks finish, give the rest back, end", (_directory, _timeout, _stop)),
    "restart": _Verb("check that a start would work, then stop, then start -d", (_settings, _timeout)),
    "reload": _Verb(
        "put new code and configuration to work without a gap", (_directory, _timeout, _reload, _json)
    ),
    "status": _Verb("show workers and queues; 0 healthy, 1 not, 3 not running", (_directory, _json)),
    "top": _Verb("show them live; q leaves", (_directory, _top, _json)),
    "why": _Verb("show the last events, and why there are so many workers", (_directory, _why, _json)),
    "scale": _Verb("set or change the number of workers", (_directory, _scale)),
    "thresholds": _Verb(
        "thresholds show, freeze, thaw, reset: what the autoscaler goes by", (_directory, _thresholds, _json)
    ),
    "quiet": _Verb("claim no new tasks; running ones go on", (_directory,)),
    "resume": _Verb("claim tasks again", (_directory,)),
    "worker": _Verb("worker ls: list the workers and what they run", (_directory, _worker, _json)),
    "task": _Verb("task show ID, task ls: where tasks are and what is known", (parser_tasks.task,)),
    "dead": _Verb("dead ls, show, replay, purge: the tasks that failed for good", (parser_tasks.dead,)),
    "cron": _Verb("cron ls, next, run: the schedules and their slots", (parser_tasks.cron,)),
    "queue": _Verb("queue ls, show, pause, resume, purge: the queues", (parser_queue.queue,)),
    "record": _Verb("write down what runs, as a trace for simulate", (parser_simulate.record,)),
    "simulate": _Verb(
        "run a trace in virtual time: waits, worker-hours, changes", (parser_simulate.simulate,)
    ),
    "check": _Verb("import the app and say what a start would run", (_settings, _json)),
    "doctor": _Verb("check Redis; --audit checks every task; 1 something found", (_settings, _doctor, _json)),
    "demo": _Verb("run a mixed workload, kill a worker, account for every task", (_demo,)),
}
MODULES = {"resume": "quiet"}
"""The module of a verb, where it is not the one of its name."""
