"""Events, one per line: `log.info("worker ready", worker="worker-1", pid=12)`.

An event is a short sentence and its fields. It goes through the standard library's logging, so that
what a user's tasks log comes out in the same shape. Formatting is pure. There is no thread and no
queue: every process of the daemon writes its own lines, and forks safely.

In the line formats only a field named `traceback` may take more than the one line; it follows on
lines of its own, indented. Nothing else in an event or a field can forge a second line.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import traceback as tracebacks
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

TRACE = 5
LEVELS: Mapping[str, int] = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_LOGGER = "tqd"
_FIELDS = "tqd_fields"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RESERVED = ("timestamp", "level", "event")
_COLOURS = {"TRACE": "2", "DEBUG": "36", "INFO": "32", "WARN": "33", "ERROR": "31"}

Format = Callable[["Entry"], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event, ready to be written. `level` is TRACE, DEBUG, INFO, WARN or ERROR."""

    timestamp: str
    level: str
    event: str
    fields: Mapping[str, object]


class Log:
    """Writes events; each carries the fields that this log is bound to, like its role."""

    __slots__ = ("_fields", "_logger")

    def __init__(self, **fields: object) -> None:
        self._logger = logging.getLogger(_LOGGER)
        self._fields = fields

    def bind(self, **fields: object) -> Log:
        """Return a log whose events carry these fields too."""
        return Log(**{**self._fields, **fields})

    def trace(self, event: str, /, **fields: object) -> None:
        """Write what only the search for a fault needs."""
        self._write(TRACE, event, fields)

    def debug(self, event: str, /, **fields: object) -> None:
        """Write what explains a decision."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Write what an operator would like to know once."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Write what needs a look, with its consequence."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Write that a promise was broken."""
        self._write(logging.ERROR, event, fields)

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={_FIELDS: {**self._fields, **fields}})


class Stream(Protocol):
    """What events are written to."""

    def write(self, text: str, /) -> object:
        """Write a text."""

    def flush(self) -> None:
        """Write what was kept back."""

    def isatty(self) -> bool:
        """Tell whether a terminal reads it."""


def configure(level: str, format: str, stream: Stream) -> None:
    """Send all events of this process from `level` up to the stream; a second call replaces the first.

    `level` is a key of LEVELS, `format` is json, compact or pretty. Pretty is coloured on a terminal
    unless NO_COLOR is set.
    """
    coloured = stream.isatty() and not os.environ.get("NO_COLOR")
    formats: dict[str, Format] = {
        "json": as_json,
        "compact": as_compact,
        "pretty": as_coloured if coloured else as_pretty,
    }
    handler = logging.StreamHandler(stream)
    handler.set_name(_LOGGER)
    handler.setFormatter(_Formatter(formats[format]))
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.get_name() == _LOGGER]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS[level])


class _Formatter(logging.Formatter):
    """Turns a logging record into an entry, and that into a line."""

    def __init__(self, write: Format) -> None:
        super().__init__()
        self._write = write

    def format(self, record: logging.LogRecord) -> str:
        return self._write(entry(record))


def entry(record: logging.LogRecord) -> Entry:
    """Return the entry of a logging record, of ours or of anybody else's."""
    fields: dict[str, object] = dict(getattr(record, _FIELDS, {}))
    if record.name != _LOGGER:
        fields["logger"] = record.name
    if record.exc_info and record.exc_info[1] is not None and "traceback" not in fields:
        fields["traceback"] = "".join(tracebacks.format_exception(record.exc_info[1]))
    return Entry(
        timestamp=iso(int(record.created * 1000)),
        level=level_word(record.levelno),
        event=record.getMessage(),
        fields=fields,
    )


def iso(epoch_ms: int) -> str:
    """Return epoch milliseconds as ISO 8601 in UTC: `2026-11-23T04:00:00.123Z`."""
    moment = _EPOCH + timedelta(milliseconds=epoch_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def level_word(level: int) -> str:
    """Return the word of a numeric level; what lies between two levels has the lower one's word."""
    for word in ("error", "warn", "info", "debug"):
        if level >= LEVELS[word]:
            return word.upper()
    return "TRACE"


def as_json(entry: Entry) -> str:
    """Return one JSON object: timestamp, level, event, then the fields."""
    head = {"timestamp": entry.timestamp, "level": entry.level.lower(), "event": entry.event}
    fields = {f"{key}_" if key in _RESERVED else key: _plain(value) for key, value in entry.fields.items()}
    return json.dumps(head | fields)


def as_compact(entry: Entry) -> str:
    """Return one line: timestamp, level, event, key=value, and below it a traceback."""
    pairs = "".join(f" {key}={value}" for key, value in _pairs(entry))
    return f"{entry.timestamp} {entry.level:<5} {escaped(entry.event)}{pairs}{_traceback(entry)}"


def as_pretty(entry: Entry) -> str:
    """Return a line for a reader: the time of day only, and the fields set off from the event."""
    pairs = "".join(f"  {key}={value}" for key, value in _pairs(entry))
    return f"{entry.timestamp[11:23]} {entry.level:<5} {escaped(entry.event)}{pairs}{_traceback(entry)}"


def as_coloured(entry: Entry) -> str:
    """Return the pretty line with colours for a terminal."""
    level = f"\x1b[{_COLOURS[entry.level]}m{entry.level:<5}\x1b[0m"
    pairs = "".join(f"  \x1b[2m{key}=\x1b[0m{value}" for key, value in _pairs(entry))
    time, event = f"\x1b[2m{entry.timestamp[11:23]}\x1b[0m", f"\x1b[1m{escaped(entry.event)}\x1b[0m"
    return f"{time} {level} {event}{pairs}{_traceback(entry)}"


def _pairs(entry: Entry) -> list[tuple[str, str]]:
    return [(escaped(key), shown(value)) for key, value in entry.fields.items() if key != "traceback"]


def _traceback(entry: Entry) -> str:
    lines = str(entry.fields.get("traceback") or "").splitlines()
    return "".join(f"\n    {escaped(line)}" for line in lines)


def shown(value: object) -> str:
    """Return a field's value as it stands behind the `=`: quoted when it would not be one word."""
    plain = _plain(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    if isinstance(plain, str) and re.search(r'^$|[\s"=]', text):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return escaped(text)


def escaped(text: str) -> str:
    """Return the text with line ends, control characters and lone surrogates written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def _plain(value: object) -> object:
    """Return what JSON can carry of the value; for what it cannot, its text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)
