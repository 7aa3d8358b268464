"""Lines: nothing is wider than it may be, and nothing from outside steers the terminal."""

from __future__ import annotations

import pytest

from tqd.cli.lines import (
    PLAIN,
    Column,
    Line,
    Style,
    Tone,
    columns,
    cut,
    fold,
    joined,
    line,
    printable,
    render,
    table,
)

COLOUR = Style(colour=True)


def plain(pieces: Line) -> str:
    return render(pieces, None, PLAIN)


def test_control_characters_are_written_as_escapes() -> None:
    assert printable("a\x1b[2Jb\nc\x9b\u2028\ud800") == "a\\x1b[2Jb\\nc\\x9b\\u2028\\ud800"
    assert printable("wörker 名 ok") == "wörker 名 ok"


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("", 0), ("ä", 1), ("名前", 4), ("e\N{COMBINING ACUTE ACCENT}", 1)]
)
def test_columns_are_what_a_terminal_shows(text: str, width: int) -> None:
    assert columns(text) == width


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abcdef", 1, "…"),
        ("abcdef", 0, ""),
        ("名前名前", 6, "名前…"),
    ],
)
def test_what_is_cut_off_leaves_an_ellipsis(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


@pytest.mark.parametrize("width", range(0, 14))
def test_a_line_of_pieces_is_never_wider_than_it_may_be(width: int) -> None:
    pieces: Line = [("name ", Tone.PLAIN), ("ready", Tone.GOOD), (" 名", Tone.BAD)]
    shown = render(pieces, width, PLAIN)
    assert columns(shown) <= width
    assert shown == "name ready 名" if width == 13 else shown.endswith("…") or width == 0


def test_colours_come_only_where_they_are_wanted_and_do_not_count() -> None:
    pieces: Line = [("state ", Tone.PLAIN), ("ready", Tone.GOOD)]
    assert render(pieces, None, COLOUR) == "state \x1b[32mready\x1b[0m"
    assert render(pieces, 9, COLOUR) == "state \x1b[32mre\x1b[0m…"
    assert "\x1b" not in render(pieces, None, PLAIN)


def test_an_output_that_knows_only_ascii_gets_only_that() -> None:
    shown = render(line("█░ · a very long text", Tone.PLAIN), 10, Style(blocks=False))
    assert shown == "#. - a ve>" and shown.isascii()


def test_sentences_are_folded_between_words_and_lines_stay_lines() -> None:
    assert fold("one two three four", 9, "  ") == ["one two", "  three", "  four"]
    assert fold("one two", None) == ["one two"]
    assert fold("one\ntwo", None, "  ") == ["one", "  two"]
    assert fold("one unbreakableword x", 8, "  ") == ["one", "  unbreakableword x"]
    assert fold("", 8) == [""]


def test_parts_are_joined_as_far_as_they_fit_and_empty_ones_are_left_out() -> None:
    parts = [("first", Tone.PLAIN), ("", Tone.PLAIN), ("second", Tone.GOOD), ("third", Tone.PLAIN)]
    assert plain(joined(parts, None)) == "first · second · third"
    assert plain(joined(parts, 21)) == "first · second"
    assert plain(joined(parts, 2)) == "first", "the first is cut, not left out"
    assert plain(joined([], 5)) == ""


HEADS = (
    Column("name", right=False),
    Column("count", least=7),
    Column("memory", rank=1),
    Column("age", rank=2),
)


def rows(*names: str, count: str = "12") -> list[list[tuple[str, Tone]]]:
    return [[(text, Tone.PLAIN) for text in (name, count, "8 MB", "3s")] for name in names]


def test_columns_align_for_long_names_and_large_numbers() -> None:
    shown = [plain(one) for one in table(HEADS, rows("a", "a-much-longer-name", count="1,234,567,890"), None)]
    assert len({len(text) for text in shown}) == 1
    assert [text.index("MB") for text in shown[1:]] == [text.index("MB") for text in shown[1:]][:1] * 2
    assert shown[1].startswith("a ") and shown[0].endswith("age")
    assert plain(table(HEADS, [], None)[0]) == "name    count  memory  age"


def test_a_narrow_table_loses_the_least_important_columns_first() -> None:
    heads = [plain(table(HEADS, rows("worker-1"), width)[0]).split() for width in (40, 29, 24, 10)]
    assert heads == [
        ["name", "count", "memory", "age"],
        ["name", "count", "memory"],
        ["name", "count"],
        ["name", "count"],
    ]


def test_long_names_are_cut_before_a_column_goes_and_more_when_none_can_go() -> None:
    name = "n" * 60
    assert plain(table(HEADS, rows(name), 42)[1]).split() == ["n" * 19 + "…", "12", "8", "MB", "3s"]
    assert plain(table(HEADS, rows(name), 17)[1]).split() == ["n" * 7 + "…", "12"]


@pytest.mark.parametrize("width", [1, 5, 10, 17, 25, 40, 100])
def test_a_rendered_table_is_never_wider_than_it_may_be(width: int) -> None:
    lines = table(HEADS, rows("worker-1", "名" * 40), width)
    assert max(columns(render(one, width, PLAIN)) for one in lines) <= width
