"""Events as lines: time, level, event, fields. Pure."""

from __future__ import annotations

import json
from typing import Any

from tqd.cli.lines import Line, Tone, printable

_TONES = {"warning": Tone.NOTE, "warn": Tone.NOTE, "error": Tone.BAD}


def event(one: Any, *, dated: bool) -> Line:
    """Return an event as one line; `dated` with year and milliseconds, as it stands in the log. In UTC."""
    at, level = str(one.get("at", "")), str(one.get("level", "info"))
    time = at if dated else at[5:19].replace("T", " ")
    pairs = "".join(
        f"  {printable(str(key))}={_value(value)}" for key, value in (one.get("fields") or {}).items()
    )
    return [
        (printable(time), Tone.FAINT),
        (f" {printable(level):<7} ", _TONES.get(level, Tone.FAINT)),
        (printable(str(one.get("event", ""))), _TONES.get(level, Tone.PLAIN)),
        (pairs, Tone.FAINT),
    ]


def _value(value: object) -> str:
    """Return a field's value on one line: a text of several lines with bars between them."""
    if not isinstance(value, str):
        return printable(json.dumps(value, ensure_ascii=False))
    rows = [row.strip() for row in value.splitlines() if row.strip()]
    text = " | ".join(rows)
    return printable(f'"{text}"' if not text or " " in text or "=" in text else text)
