"""Lines for a terminal: tones, cutting, folding, tables. Pure; knows nothing of tqd.

A line is a list of pieces, each with a tone. Colours come last, when a line is rendered, so that
widths are counted without them. What comes from elsewhere is made printable first: no text of a
task or an event can steer the terminal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

GAP = "  "
NAME_GOOD, NAME_LEAST = 20, 8
"""Where it is narrow, long names are cut to the first before any column goes, and to the second after."""

_ASCII = str.maketrans({"·": "-", "…": ">", "█": "#", "░": "."})


class Tone(Enum):
    """How a piece is shown; the value is its ANSI code."""

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    BAD = "31"
    GOOD = "32"
    NOTE = "33"


class Style(NamedTuple):
    """What the output can show: colours, and more than ASCII."""

    colour: bool = False
    blocks: bool = True


PLAIN = Style()

Piece = tuple[str, Tone]
Line = list[Piece]


class Column(NamedTuple):
    """A table's column. `rank` 0 is always shown; of the others the highest goes first when it is narrow.

    `least` keeps a column from moving each time a figure gets one digit more.
    """

    title: str
    right: bool = True
    least: int = 0
    rank: int = 0


def line(text: str, tone: Tone = Tone.PLAIN) -> Line:
    """Return a line of one piece."""
    return [(text, tone)]


def printable(text: str) -> str:
    """Return the text with line ends and control characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def columns(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return the text in at most `width` columns; what is cut off leaves an ellipsis."""
    if columns(text) <= width:
        return text
    return _start(text, width - 1) + "…" if width > 0 else ""


def _start(text: str, width: int) -> str:
    kept, used = "", 0
    for char in text:
        used += _columns(char)
        if used > width:
            break
        kept += char
    return kept


def render(pieces: Line, width: int | None, style: Style) -> str:
    """Return a line as it is written, in at most `width` columns; None does not limit it."""
    if width is not None and sum(columns(text) for text, _ in pieces) > width:
        pieces = _cut_line(pieces, width)
    return "".join(_written(text, tone, style) for text, tone in pieces if text)


def _cut_line(pieces: Line, width: int) -> Line:
    out: Line = []
    left = width - 1
    for text, tone in pieces:
        kept = _start(text, left)
        out.append((kept, tone))
        left -= columns(kept)
        if kept != text:
            break
    return [*out, ("…" if width > 0 else "", Tone.PLAIN)]


def _written(text: str, tone: Tone, style: Style) -> str:
    if not style.blocks:
        text = text.translate(_ASCII)
    return f"\x1b[{tone.value}m{text}\x1b[0m" if style.colour and tone is not Tone.PLAIN else text


def fold(text: str, width: int | None, indent: str = "") -> list[str]:
    """Return a sentence as lines of at most `width` columns where its words allow that.

    The lines after the first are indented. None does not limit it; line ends in the text stay.
    """
    out: list[str] = []
    for part in text.splitlines() or [""]:
        rest = f"{indent if out else ''}{printable(part)}"
        while width is not None and columns(rest) > width:
            space = rest.rfind(" ", len(indent) + 1, width + 1)
            if space < 0:
                break
            out.append(rest[:space])
            rest = indent + rest[space + 1 :]
        out.append(rest)
    return out


def joined(parts: Iterable[Piece], width: int | None, between: str = " · ") -> Line:
    """Return as many of the parts as fit, the first always; an empty one is left out."""
    out: Line = []
    used = 0
    for text, tone in parts:
        if not text:
            continue
        need = columns(text) + (len(between) if out else 0)
        if out and width is not None and used + need > width:
            break
        if out:
            out.append((between, Tone.FAINT))
        out.append((text, tone))
        used += need
    return out


def table(heads: Sequence[Column], rows: Sequence[Sequence[Piece]], width: int | None) -> list[Line]:
    """Return a header and one line a row. Columns are as wide as their widest cell.

    With a `width`, columns are left out by rank until the rest fits; then the first is cut.
    """
    sizes = [
        max([columns(head.title), head.least, *(columns(row[n][0]) for row in rows)])
        for n, head in enumerate(heads)
    ]
    kept = list(range(len(heads)))
    if width is not None:
        _narrow(sizes, kept, width, NAME_GOOD)
        while _total(sizes, kept) > width and any(heads[n].rank for n in kept):
            kept.remove(max(kept, key=lambda n: (heads[n].rank, n)))
        _narrow(sizes, kept, width, NAME_LEAST)
    titles = [(head.title, Tone.FAINT) for head in heads]
    return [_row(heads, cells, sizes, kept) for cells in (titles, *rows)]


def _narrow(sizes: list[int], kept: Sequence[int], width: int, least: int) -> None:
    """Make the first column narrower where that is needed, down to `least`."""
    over = _total(sizes, kept) - width
    if over > 0:
        sizes[0] = max(min(least, sizes[0]), sizes[0] - over)


def _total(sizes: Sequence[int], kept: Sequence[int]) -> int:
    return sum(sizes[n] for n in kept) + len(GAP) * (len(kept) - 1)


def _row(heads: Sequence[Column], cells: Sequence[Piece], sizes: Sequence[int], kept: Sequence[int]) -> Line:
    out: Line = []
    for place, n in enumerate(kept):
        text = cut(cells[n][0], sizes[n])
        pad = " " * (sizes[n] - columns(text))
        gap = GAP if place else ""
        before, after = (gap + pad, "") if heads[n].right else (gap, pad)
        last = place == len(kept) - 1
        out += [(before, Tone.PLAIN), (text, cells[n][1]), ("" if last else after, Tone.PLAIN)]
    return [piece for piece in out if piece[0]]
