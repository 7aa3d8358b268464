"""Find and read the configuration file, then let `parse` decide.

The file is the one that was named, else ./tqd.toml, else /etc/tqd/tqd.toml, else none at all: every
setting has a default. It is never written.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from tqd.config.model import Config
from tqd.config.parse import TomlFile, merge, parse
from tqd.config.regular import Unreadable, read_regular
from tqd.errors import ConfigError, ConfigProblem

SEARCH_PATH = ("tqd.toml", "/etc/tqd/tqd.toml")
LARGEST_BYTES = 1_048_576


def load(path: str | None, environ: Mapping[str, str], flags: Mapping[str, object], cores: int) -> Config:
    """Return the configuration; `path` is None when no file was named.

    Raises ConfigError with all problems, also when the file cannot be read: what is wrong with the
    environment and the flags is told in the same breath.
    """
    try:
        files = _files(path)
    except ConfigError as unreadable:
        rest = merge([], environ, flags, cores).problems
        raise ConfigError([*unreadable.problems, *rest]) from unreadable
    return parse(files, environ, flags, cores)


def _files(path: str | None) -> list[TomlFile]:
    if path is None:
        path = next((place for place in SEARCH_PATH if Path(place).exists()), None)
    return [] if path is None else [(path, read(path))]


def read(path: str) -> dict[str, object]:
    """Return what a TOML file holds; raises ConfigError with the path and the place.

    Never blocks: what is not a regular file is refused.
    """
    try:
        content = read_regular(path, LARGEST_BYTES)
    except Unreadable as error:
        raise _unusable(path, "file", path, str(error)) from error
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unusable(path, "syntax error", f"line {line}", "is not UTF-8") from error
    except ValueError as error:
        what, place = _syntax(str(error))
        raise _unusable(path, "syntax error", place, what) from error
    except RecursionError as error:
        raise _unusable(path, "syntax error", "too deep", "lists are nested too deeply") from error


def _syntax(message: str) -> tuple[str, str]:
    """Return the reason and the place of tomllib's `Invalid value (at line 3, column 7)`."""
    found = re.fullmatch(r"(.*) \(at (.*)\)", message, re.DOTALL)
    return (found[1], found[2]) if found else (message, "unknown place")


def _unusable(path: str, key: str, value: str, rule: str) -> ConfigError:
    return ConfigError([ConfigProblem(key=key, value=value, rule=rule, origin=path)])
