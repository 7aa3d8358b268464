"""The password of Redis, read from a file: the named one, else the credential that systemd hands over.

The password is returned and goes nowhere else: no message, no log line and no exception has it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from tqd.config.model import Config
from tqd.config.regular import Unreadable, read_regular
from tqd.errors import ConfigError, ConfigProblem

KEY = "redis.password_file"
CREDENTIAL = "redis-password"
DIRECTORY_VARIABLE = "CREDENTIALS_DIRECTORY"
LARGEST_BYTES = 4096


def read_password(config: Config, environ: Mapping[str, str]) -> str:
    """Return the password for Redis; empty when there is none to read, or the URL has its own.

    Raises ConfigError with the file and the rule that it breaks.
    """
    if _has_password(config.redis.url):
        return ""
    if config.redis.password_file:
        return _first_line(config.redis.password_file, config.origins[KEY])
    directory = environ.get(DIRECTORY_VARIABLE, "")
    credential = os.path.join(directory, CREDENTIAL)
    if not directory or not os.path.lexists(credential):
        return ""
    return _first_line(credential, f"environment {DIRECTORY_VARIABLE}")


def _has_password(url: str) -> bool:
    split = urlsplit(url)
    return bool(split.password or parse_qs(split.query).get("password"))


def _first_line(path: str, origin: str) -> str:
    try:
        content = read_regular(path, LARGEST_BYTES)
    except Unreadable as error:
        raise _problem(path, origin, str(error)) from None
    line = content.partition(b"\n")[0].removesuffix(b"\r")
    try:
        password = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Not chained: the error carries the bytes, and a traceback may be logged.
        raise _problem(path, origin, "is not UTF-8") from None
    if not password:
        raise _problem(path, origin, "is empty")
    return password


def _problem(path: str, origin: str, rule: str) -> ConfigError:
    hint = "its first line must be the password of Redis, and the daemon's user must be able to read it"
    return ConfigError([ConfigProblem(key=KEY, value=path, rule=rule, origin=origin, hint=hint)])
