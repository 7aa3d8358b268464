"""The command line: verbs, flags, and errors as one sentence and an exit code."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from tqd.config.setting import Kind
from tqd.config.table import SETTINGS
from tqd.errors import BootError, ConfigError, StoreError, StoreUnavailable, TqdError
from tqd.system import exits
from tqd.system.runtime import AlreadyRunning, UnusableDirectory

VERBS = {
    "start": "run the daemon (in the foreground; -d puts it into the background once it is ready)",
    "stop": "let running tasks finish, give the rest back, and wait for the end",
    "status": "show workers and queues; exit code 0 healthy, 1 degraded, 3 not running",
    "check": "import the app and say what a start would run, without starting it",
    "demo": "run a mixed workload on a private Redis, kill a worker, and account for every task",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"tqd: {message}; tqd --help lists the verbs and flags", file=sys.stderr)
        raise SystemExit(exits.USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    options = parser().parse_args(arguments)
    verb = importlib.import_module(f"tqd.cli.{options.verb}")
    try:
        return int(verb.run(options))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return exits.FAILURE
    except TqdError as error:
        print(f"tqd: {error}", file=sys.stderr)
        return code_of(error)


def code_of(error: TqdError) -> int:
    """Return the exit code for an error that ended a verb."""
    match error:
        case ConfigError() | BootError():
            return exits.CONFIG
        case StoreUnavailable():
            return exits.UNAVAILABLE
        case StoreError():
            return exits.CONFIG
        case AlreadyRunning() | UnusableDirectory():
            return exits.CANNOT_CREATE
    return exits.FAILURE


def parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    top = _Parser(prog="tqd", description="tqd: a task queue for Python on Redis, as a daemon")
    top.add_argument("--version", action="version", version=f"tqd {version()}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_Parser)
    made = {name: verbs.add_parser(name, help=text, description=text) for name, text in VERBS.items()}
    for name in ("start", "check"):
        _settings(made[name])
    made["start"].add_argument(
        "-d", "--detach", action="store_true", help="go into the background when ready"
    )
    for name in ("stop", "status"):
        _config(made[name])
        made[name].add_argument(
            "--runtime-dir", dest="daemon.runtime_dir", metavar="DIR", help="the daemon's runtime directory"
        )
    made["stop"].add_argument(
        "--timeout", type=float, default=None, metavar="S", help="give up waiting after so many seconds"
    )
    for name in ("status", "check"):
        made[name].add_argument("--json", action="store_true", help="write one JSON object")
    made["demo"].add_argument(
        "--tasks", type=int, default=2000, metavar="N", help="how many fast tasks to run"
    )
    made["demo"].add_argument("--plain", action="store_true", help="lines instead of a live view")
    return top


def version() -> str:
    """Return the version of the installed package."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("tqd")
    except PackageNotFoundError:
        return "0 (not installed)"


def given(options: argparse.Namespace) -> dict[str, object]:
    """Return the settings that were given as flags, by key."""
    keys = {setting.key for setting in SETTINGS}
    return {key: value for key, value in vars(options).items() if key in keys and value is not None}


def _config(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "-c", "--config", metavar="FILE", help="configuration file (else ./tqd.toml, /etc/tqd/tqd.toml)"
    )


def _settings(verb: argparse.ArgumentParser) -> None:
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
