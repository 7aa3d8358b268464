"""What an output can show, asked of the output itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from tqd.cli.lines import Style


def style_of(stream: TextIO, environ: Mapping[str, str]) -> Style:
    """Return whether to colour (on a terminal, without NO_COLOR) and to draw beyond ASCII."""
    coloured = is_terminal(stream, environ) and not environ.get("NO_COLOR")
    return Style(colour=coloured, blocks="utf" in (stream.encoding or "").lower())


def is_terminal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether the stream is a terminal that understands more than lines."""
    return stream.isatty() and environ.get("TERM", "dumb") != "dumb"


def width_of(stream: TextIO) -> int | None:
    """Return how many columns the terminal has; None when the stream is none, or does not know."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None
