"""Texts of user code, made fit to be stored: what UTF-8 can carry, within a bound."""

from __future__ import annotations

MAX_TYPE_CHARS = 200
"""Names of types and of workers."""


def cut(text: str, limit: int) -> str:
    """Return the text as UTF-8 can carry it, its middle left out when it is longer than `limit` characters.

    The end is kept because that is where a traceback says what happened.
    """
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= limit:
        return text
    mark = f" … {len(text) - limit:,} characters left out … "
    kept = limit - len(mark)
    head = kept // 3
    return text[:head] + mark + text[head - kept :]
