"""What the master tells: each event goes to the log, and the last ones are kept for `tqd why`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tqd.log import Log

KEPT = 200
LONGEST_TEXT = 2_000
"""Of a longer text, a traceback, the end is kept."""


class Journal:
    """Writes events and remembers the last of them. `wall` gives the time as ISO 8601."""

    def __init__(self, log: Log, wall: Callable[[], str]) -> None:
        self._log = log
        self._wall = wall
        self._events: deque[dict[str, object]] = deque(maxlen=KEPT)

    def info(self, event: str, /, **fields: object) -> None:
        """Tell what an operator would like to know once."""
        self.tell("info", event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Tell what needs a look."""
        self.tell("warning", event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Tell that something broke."""
        self.tell("error", event, fields)

    def tell(self, level: str, event: str, fields: dict[str, object]) -> None:
        """Tell at a level: info, warning or error."""
        getattr(self._log, level)(event, **fields)
        kept = {key: _bounded(value) for key, value in fields.items() if key != "traceback"}
        self._events.append({"at": self._wall(), "level": level, "event": event, "fields": kept})

    def last(self, count: int) -> list[dict[str, object]]:
        """Return the last events, the newest last."""
        return list(self._events)[-count:] if count > 0 else []


def _bounded(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else "[...]" + value[-LONGEST_TEXT:]
    return value if value is None or isinstance(value, int | float) else str(value)[:LONGEST_TEXT]
