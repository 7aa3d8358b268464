"""The command line: one verb, its errors as one sentence and an exit code.

Only what every verb needs is imported here: `tqd status` must not pay for the Redis client, nor for the
table of settings.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from tqd.cli.daemon import INTERRUPTED, NotRunning
from tqd.cli.parser import MODULES, parsed
from tqd.errors import BootError, ConfigError, StoreError, StoreUnavailable, TqdError
from tqd.system import exits
from tqd.system.runtime import AlreadyRunning, UnusableDirectory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    options = parsed(sys.argv[1:] if arguments is None else arguments, version)
    verb = importlib.import_module(f"tqd.cli.{MODULES.get(options.verb, options.verb)}")
    try:
        code = int(verb.run(options))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has left; without this Python would complain about it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILURE
    except TqdError as error:
        print(f"tqd: {error}", file=sys.stderr)
        return code_of(error)


def code_of(error: TqdError) -> int:
    """Return the exit code for an error that ended a verb."""
    match error:
        case NotRunning():
            return exits.NOT_RUNNING
        case ConfigError() | BootError():
            return exits.CONFIG
        case StoreUnavailable():
            return exits.UNAVAILABLE
        case StoreError():
            return exits.CONFIG
        case AlreadyRunning() | UnusableDirectory():
            return exits.CANNOT_CREATE
    return exits.FAILURE


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
    from tqd.config.table import BY_KEY

    return {key: value for key, value in vars(options).items() if key in BY_KEY and value is not None}
