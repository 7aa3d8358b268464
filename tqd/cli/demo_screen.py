"""Showing lines: a live view that is drawn over itself, or plain lines for everything else."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from typing import TextIO

from tqd.cli.demo_view import Happening, Line, Picture, Tone, frame, happened, sentence

PLAIN_EVERY_S = 1.0

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_TO_LINE_END, _TO_SCREEN_END = "\x1b[K", "\x1b[J"


class Screen:
    """Writes to one stream; `close` leaves the last picture and a visible cursor."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str], *, plain: bool) -> None:
        terminal = stream.isatty() and environ.get("TERM", "dumb") != "dumb"
        self._stream = stream
        self._live = terminal and not plain
        self._colour = terminal and not environ.get("NO_COLOR")
        self._blocks = "utf" in (stream.encoding or "").lower()
        self._drawn = 0
        self._hidden = False
        self._told = 0
        self._next_s = 0.0

    def show(self, picture: Picture) -> None:
        """Show the present state: a frame, or at most one line a second."""
        if self._live:
            size = shutil.get_terminal_size()
            lines = frame(picture, size.columns - 1, blocks=self._blocks)
            self._draw(lines[: max(1, size.lines - 1)])
            return
        self._tell(picture.happenings)
        if picture.elapsed_s >= self._next_s:
            self._next_s = picture.elapsed_s + PLAIN_EVERY_S
            self.write([Line(sentence(picture))])

    def write(self, lines: Iterable[Line]) -> None:
        """Write lines that stay."""
        self._stream.write("".join(self._toned(line) + "\n" for line in lines))
        self._stream.flush()

    def close(self) -> None:
        """Give the cursor back; what follows is written below the picture."""
        if self._hidden:
            self._stream.write(_SHOW)
            self._stream.flush()
        self._hidden, self._drawn = False, 0

    def _tell(self, happenings: Iterable[Happening]) -> None:
        new = list(happenings)[self._told :]
        self._told += len(new)
        self.write(happened(one) for one in new)

    def _draw(self, lines: list[Line]) -> None:
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        body = "".join(f"{self._toned(line)}{_TO_LINE_END}\n" for line in lines)
        self._stream.write(f"{_HIDE}{up}\r{body}{_TO_SCREEN_END}")
        self._stream.flush()
        self._drawn, self._hidden = len(lines), True

    def _toned(self, line: Line) -> str:
        text = line.text if self._blocks else line.text.replace("·", "-")
        if not self._colour or line.tone is Tone.PLAIN:
            return text
        return f"\x1b[{line.tone.value}m{text}\x1b[0m"
