"""Values made fit for a message: no password, no endless text.

Everything that is shown of a setting's value goes through here.
"""

from __future__ import annotations

import re

LONGEST = 80

_USER_INFO = re.compile(r"^(?P<scheme>[a-z][a-z0-9+.-]*://)?(?P<user>.*)@", re.DOTALL | re.IGNORECASE)
_SECRET_NAME = re.compile(r"pass|secret|token|credential", re.IGNORECASE)
_SECRET_OPTION = re.compile(r"(?P<name>[?&](?:password|ssl_password)=)[^&]*", re.IGNORECASE)


def redacted(url: str) -> str:
    """Return the URL without its password: `redis://user:***@host`.

    Works on URLs that are not valid, too: all between the scheme and the last @ counts as secret,
    but for a user's name before the first colon.
    """
    url = _USER_INFO.sub(_without_password, url)
    return _SECRET_OPTION.sub(r"\g<name>***", url)


def _without_password(found: re.Match[str]) -> str:
    user, colon, _ = found["user"].partition(":")
    return f"{found['scheme'] or ''}{user}:***@" if colon else f"{found['scheme'] or ''}***@"


def shown(value: object, *, url: bool = False) -> str:
    """Return how a value looks in a message: quoted, cut, and redacted when it is, or holds, a URL."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, str):
        text = repr(redacted(value) if url or "://" in value else value)
    elif isinstance(value, list | tuple):
        rest = ", …" if len(value) > 8 else ""
        text = "[" + ", ".join(shown(item, url=url) for item in value[:8]) + rest + "]"
    elif isinstance(value, dict):
        text = "a table"
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def shown_for(name: str, value: object) -> str:
    """Return how the value of an unknown name looks: hidden when the name sounds like a secret."""
    return "***" if _SECRET_NAME.search(name) else shown(value)
