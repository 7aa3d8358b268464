"""Does one value fit one setting? Pure: a row of the table and a raw value in, a checked value out.

A value from the environment or from a flag is text and is read as the setting's kind first; a value
from a file has a type already and must have the right one.
"""

from __future__ import annotations

import math
import re
from urllib.parse import urlsplit

from tqd.config.queue_tables import limits, table_of, weights
from tqd.config.setting import Kind, Setting, Value
from tqd.task.queue_limit import QueueLimit, QueueWeight

SWITCHES = {word: True for word in ("true", "1", "yes", "on")} | {
    word: False for word in ("false", "0", "no", "off")
}


class Unfit(ValueError):
    """Raised when a value breaks its setting's rule; the message is the rule."""


def from_text(setting: Setting, text: str) -> Value:
    """Return the checked value that a text stands for: an environment variable, or a flag."""
    words = text.strip()
    match setting.kind:
        case Kind.SWITCH if words.lower() in SWITCHES:
            return SWITCHES[words.lower()]
        case Kind.LIMITS | Kind.WEIGHTS:
            return _table(setting, words)
        case Kind.NAMES:
            return checked(setting, [part.strip() for part in words.split(",") if part.strip()])
        case Kind.INTEGER if re.fullmatch(r"[+-]?[0-9]{1,30}", words):
            return checked(setting, int(words))
        case Kind.NUMBER if re.fullmatch(r"[+-]?[0-9.]{1,30}(?:[eE][+-]?[0-9]{1,3})?", words):
            return checked(setting, _float(setting, words))
        case Kind.TEXT if setting.choices:
            return checked(setting, words.lower())
    return checked(setting, text)


def checked(setting: Setting, raw: object) -> Value:
    """Return the value if it fits, in the type that `model` has; raises `Unfit` if not."""
    if isinstance(raw, bool):
        if setting.kind is Kind.SWITCH:
            return raw
    elif isinstance(raw, int | float) and setting.kind in (Kind.INTEGER, Kind.NUMBER):
        return _number(setting, raw)
    elif isinstance(raw, str) and setting.kind in (Kind.TEXT, Kind.URL):
        return _url(setting, raw) if setting.kind is Kind.URL else _text(setting, raw)
    elif isinstance(raw, list | tuple) and setting.kind is Kind.NAMES:
        return _names(setting, list(raw))
    elif setting.kind in (Kind.LIMITS, Kind.WEIGHTS):
        return _table(setting, raw)
    raise Unfit(_must(setting))


def _table(setting: Setting, raw: object) -> Value:
    if isinstance(raw, tuple) and all(isinstance(item, QueueLimit | QueueWeight) for item in raw):
        return raw  # checked before
    try:
        table = table_of(raw) if isinstance(raw, str) else raw
        return limits(table) if setting.kind is Kind.LIMITS else weights(table)
    except ValueError as error:
        raise Unfit(str(error)) from None


def _must(setting: Setting) -> str:
    return f"must be {setting.rule}"


def _float(setting: Setting, words: str) -> float:
    try:
        return float(words)
    except ValueError:
        raise Unfit(_must(setting)) from None


def _number(setting: Setting, raw: int | float) -> Value:
    low = -math.inf if setting.low is None else setting.low
    high = math.inf if setting.high is None else setting.high
    whole = setting.kind is Kind.INTEGER
    inside = math.isfinite(low) and raw > low if setting.above_low else raw >= low
    if not inside or not raw <= high or (whole and not isinstance(raw, int)):
        raise Unfit(_must(setting))
    return raw if whole else float(raw)


def _text(setting: Setting, raw: str) -> str:
    if setting.choices:
        if raw in setting.choices:
            return raw
    elif raw.isprintable() and (not setting.pattern or re.fullmatch(setting.pattern, raw)):
        return raw
    raise Unfit(_must(setting))


def _names(setting: Setting, raw: list[object]) -> tuple[str, ...]:
    names = [name for name in raw if isinstance(name, str) and re.fullmatch(setting.pattern, name)]
    fits = (setting.low or 0) <= len(names) <= (setting.high or math.inf)
    if len(names) < len(raw) or not fits:
        raise Unfit(_must(setting))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Unfit(f"must name each only once: {', '.join(twice)} is there twice")
    return tuple(names)


def _url(setting: Setting, raw: str) -> str:
    try:
        split = urlsplit(raw)
        network = split.scheme in ("redis", "rediss") and bool(split.hostname) and split.port != 0
    except ValueError:
        raise Unfit(_url_rule(setting)) from None
    database = re.fullmatch(r"/?[0-9]{0,5}/?", split.path) is not None
    socket = split.scheme == "unix" and not split.hostname and len(split.path) > 1
    if not raw.isprintable() or " " in raw or split.fragment or not (socket or (network and database)):
        raise Unfit(_url_rule(setting))
    return raw


def _url_rule(setting: Setting) -> str:
    return f"{_must(setting)}; in a password, write @ as %40, / as %2F, # as %23 and : as %3A"
