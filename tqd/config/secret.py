"""Secrets, read from files: the named one, else the credential that systemd hands over.

A secret is returned and goes nowhere else: no message, no log line and no exception has it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from tqd.config.model import Config
from tqd.config.regular import Unreadable, read_regular
from tqd.errors import ConfigError, ConfigProblem
from tqd.wire.seal import Seal

KEY = "redis.password_file"
CREDENTIAL = "redis-password"
SIGNING_KEY = "security.signing_keys_file"
SIGNING_CREDENTIAL = "signing-keys"
DIRECTORY_VARIABLE = "CREDENTIALS_DIRECTORY"
LARGEST_BYTES = 4096
LARGEST_PEM_BYTES = 4 * 1024 * 1024

_HINTS = {
    KEY: "its first line must be the password of Redis",
    SIGNING_KEY: "each of its lines must be a signing key, of 16 characters or more",
}


def read_password(config: Config, environ: Mapping[str, str]) -> str:
    """Return the password for Redis; empty when there is none to read, or the URL has its own.

    Raises ConfigError with the file and the rule that it breaks.
    """
    if _has_password(config.redis.url):
        return ""
    found = _file(config.redis.password_file, CREDENTIAL, config.origins[KEY], environ)
    return "" if found is None else _first_line(*found)


def read_signing_keys(config: Config, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the keys that tasks are signed with, the first one signs; none when there is no file.

    Raises ConfigError with the file and the rule that it breaks.
    """
    named = config.security.signing_keys_file
    found = _file(named, SIGNING_CREDENTIAL, config.origins[SIGNING_KEY], environ)
    if found is None:
        return ()
    path, origin = found
    lines = [line.strip() for line in _content(path, origin, SIGNING_KEY).split(b"\n")]
    keys = tuple(line for line in lines if line and not line.startswith(b"#"))
    try:
        Seal(keys)
    except ValueError as error:
        raise _problem(path, origin, str(error), SIGNING_KEY) from None
    return keys


def check_tls_files(config: Config) -> None:
    """Pass when the files for TLS can be read, and are meant for TLS; else raises ConfigError."""
    redis = config.redis
    problems = []
    for name, path in (
        ("ca_file", redis.ca_file),
        ("cert_file", redis.cert_file),
        ("key_file", redis.key_file),
    ):
        if not path:
            continue
        key, rule = f"redis.{name}", ""
        if config.explicit("redis.url") and not redis.url.startswith("rediss:") and not redis.embedded:
            rule = "is for TLS, and redis.url is not rediss://"
        else:
            try:
                read_regular(path, LARGEST_PEM_BYTES)
            except Unreadable as error:
                rule = str(error)
        if rule:
            problems.append(ConfigProblem(key=key, value=path, rule=rule, origin=config.origins[key]))
    if problems:
        raise ConfigError(problems)


def _file(named: str, credential: str, origin: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the path of a secret and who named it; None when nobody did and systemd has none."""
    if named:
        return named, origin
    directory = environ.get(DIRECTORY_VARIABLE, "")
    path = os.path.join(directory, credential)
    if not directory or not os.path.lexists(path):
        return None
    return path, f"environment {DIRECTORY_VARIABLE}"


def _has_password(url: str) -> bool:
    split = urlsplit(url)
    return bool(split.password or parse_qs(split.query).get("password"))


def _first_line(path: str, origin: str) -> str:
    line = _content(path, origin, KEY).partition(b"\n")[0].removesuffix(b"\r")
    try:
        password = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Not chained: the error carries the bytes, and a traceback may be logged.
        raise _problem(path, origin, "is not UTF-8") from None
    if not password:
        raise _problem(path, origin, "is empty")
    return password


def _content(path: str, origin: str, key: str) -> bytes:
    try:
        return read_regular(path, LARGEST_BYTES)
    except Unreadable as error:
        raise _problem(path, origin, str(error), key) from None


def _problem(path: str, origin: str, rule: str, key: str = KEY) -> ConfigError:
    hint = f"{_HINTS[key]}, and the daemon's user must be able to read it"
    return ConfigError([ConfigProblem(key=key, value=path, rule=rule, origin=origin, hint=hint)])
