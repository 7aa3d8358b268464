"""Events, and the lines they become."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tqd.log import LEVELS, Entry, Log, as_coloured, as_compact, as_json, as_pretty, configure, iso, shown


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def entry(event: str = "worker ready", **fields: object) -> Entry:
    return Entry(timestamp="2026-11-23T04:00:00.123Z", level="INFO", event=event, fields=fields)


def written(format: str = "compact", level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure(level, format, stream)
    return stream


def test_compact_is_one_line_of_words() -> None:
    line = "2026-11-23T04:00:00.123Z INFO  worker ready worker=worker-1 pid=12"
    assert as_compact(entry(worker="worker-1", pid=12)) == line


def test_pretty_shows_the_time_of_day() -> None:
    assert as_pretty(entry(pid=12)) == "04:00:00.123 INFO  worker ready  pid=12"


def test_coloured_is_pretty_with_colours() -> None:
    line = as_coloured(entry(pid=12))
    assert "\x1b[32mINFO \x1b[0m" in line
    assert "\x1b[1mworker ready\x1b[0m" in line


def test_json_is_one_object_in_a_fixed_order() -> None:
    line = as_json(entry(pid=12, queues=("a", "b"), error=None))
    assert list(json.loads(line).items()) == [
        ("timestamp", "2026-11-23T04:00:00.123Z"),
        ("level", "info"),
        ("event", "worker ready"),
        ("pid", 12),
        ("queues", ["a", "b"]),
        ("error", None),
    ]


def test_json_keeps_a_field_that_has_the_name_of_one_of_its_own() -> None:
    assert json.loads(as_json(entry(level="x")))["level_"] == "x"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("word", "word"),
        ("two words", '"two words"'),
        ("", '""'),
        ("a=b", '"a=b"'),
        ('say "x"', r'"say \"x\""'),
        (r"C:\x y", r'"C:\\x y"'),
        ("a\nb", r'"a\nb"'),
        ("\x1b[31m", r"\x1b[31m"),
        ("ü→", "ü→"),
        ("\udcff", r"\udcff"),
        (None, "null"),
        (True, "true"),
        (0.25, "0.25"),
        (float("nan"), "nan"),
        ({"a": (1, {2})}, '{"a": [1, [2]]}'),
        (ValueError("no good"), '"no good"'),
    ],
)
def test_a_value_is_one_word_or_quoted(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize("format", [as_json, as_compact, as_pretty, as_coloured])
@pytest.mark.parametrize("nasty", ["a\nb", "a\r\nb", "a\x85b", "a\u2028b", "a\x0cb", "\udcff"])
def test_no_event_and_no_field_can_forge_a_line(format: Any, nasty: str) -> None:
    line = format(entry(nasty, **{nasty: nasty}))
    assert len(line.splitlines()) == 1
    line.encode()


@pytest.mark.parametrize("format", [as_compact, as_pretty])
def test_a_traceback_follows_on_lines_of_its_own(format: Any) -> None:
    lines = format(entry(pid=1, traceback="Traceback:\n  File x\nValueError: \x1b[31m\n")).splitlines()
    assert lines[0].endswith("pid=1")
    assert lines[1:] == ["    Traceback:", "      File x", r"    ValueError: \x1b[31m"]


def test_json_keeps_a_traceback_in_its_line() -> None:
    assert json.loads(as_json(entry(traceback="a\nb")))["traceback"] == "a\nb"


def test_json_is_valid_for_what_json_does_not_have() -> None:
    line = as_json(entry(rate=float("inf"), names={"x"}, what=object, nested=[float("nan")]))
    assert json.loads(line, parse_constant=pytest.fail)["nested"] == ["nan"]


@pytest.mark.parametrize(
    ("epoch_ms", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_795_406_400_123, "2026-11-23T04:00:00.123Z")],
)
def test_a_time_is_written_in_utc_with_milliseconds(epoch_ms: int, text: str) -> None:
    assert iso(epoch_ms) == text


def test_a_log_writes_its_bound_fields_first() -> None:
    stream = written()
    Log(role="master").bind(node="n1").info("worker ready", pid=12)
    assert stream.getvalue().endswith(" INFO  worker ready role=master node=n1 pid=12\n")


def test_binding_leaves_the_first_log_alone() -> None:
    stream = written()
    log = Log(role="master")
    log.bind(pid=1)
    log.info("x")
    assert stream.getvalue().endswith("x role=master\n")


def test_an_event_is_not_a_format_string() -> None:
    stream = written()
    Log().info("100% of %s")
    assert "100% of %s" in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("trace", ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]),
        ("debug", ["DEBUG", "INFO", "WARN", "ERROR"]),
        ("info", ["INFO", "WARN", "ERROR"]),
        ("warn", ["WARN", "ERROR"]),
        ("warning", ["WARN", "ERROR"]),
        ("error", ["ERROR"]),
    ],
)
def test_what_is_below_the_level_is_not_written(level: str, events: list[str]) -> None:
    stream = written(level=level)
    log = Log()
    for write in (log.trace, log.debug, log.info, log.warning, log.error):
        write("x")
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == events


def test_every_level_of_the_settings_is_known() -> None:
    assert list(LEVELS) == ["trace", "debug", "info", "warn", "warning", "error"]


def test_what_a_users_code_logs_has_the_same_shape() -> None:
    stream = written("json")
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("shop").exception("failed %d times", 3)
    line = json.loads(stream.getvalue())
    assert (line["level"], line["event"], line["logger"]) == ("error", "failed 3 times", "shop")
    assert line["traceback"].endswith("ValueError: no\n")


def test_a_second_set_up_replaces_the_first() -> None:
    first, second = written(), written()
    Log().info("x")
    assert (first.getvalue(), second.getvalue().count("\n")) == ("", 1)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("", True), ("1", False)])
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, no_color: str | None, coloured: bool
) -> None:
    if no_color is None:
        monkeypatch.delenv("NO_COLOR", raising=False)
    else:
        monkeypatch.setenv("NO_COLOR", no_color)
    stream = Terminal()
    configure("info", "pretty", stream)
    Log().info("x")
    assert ("\x1b[" in stream.getvalue()) is coloured


def test_a_file_gets_no_colours() -> None:
    stream = written("pretty")
    Log().info("x")
    assert "\x1b[" not in stream.getvalue()
