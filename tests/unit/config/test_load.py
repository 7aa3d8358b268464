"""Finding and reading the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tqd.config import load as module
from tqd.config.load import load
from tqd.errors import ConfigError, ConfigProblem


@pytest.fixture(autouse=True)
def _own_search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own files out; the two places lie in the test's directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "SEARCH_PATH", ("tqd.toml", str(tmp_path / "etc.toml")))


def problem_of(content: bytes) -> ConfigProblem:
    Path("tqd.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(None, {}, {}, 2)
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


def test_without_a_file_the_defaults_hold() -> None:
    assert load(None, {}, {}, 2).node.lease == 15


def test_the_file_here_is_read_before_that_of_the_machine() -> None:
    Path("etc.toml").write_text("node.name = 'etc'")
    assert load(None, {}, {}, 2).node.name == "etc"
    Path("tqd.toml").write_text("node.name = 'here'")
    config = load(None, {}, {}, 2)
    assert (config.node.name, config.origins["node.name"]) == ("here", "tqd.toml")


def test_a_named_file_is_the_only_one_read() -> None:
    Path("tqd.toml").write_text("nonsense = 1")
    Path("named.toml").write_text("[node]\nname = 'named'")
    assert load("named.toml", {}, {}, 2).node.name == "named"


def test_a_byte_order_mark_does_no_harm() -> None:
    Path("tqd.toml").write_bytes(b"\xef\xbb\xbf[node]\r\nname = 'dos'\r\n")
    assert load(None, {}, {}, 2).node.name == "dos"


def test_a_named_file_that_is_missing_is_told_with_all_other_problems() -> None:
    with pytest.raises(ConfigError) as caught:
        load("gone.toml", {"LOG_LEVEL": "loud"}, {"workers.prefix": ""}, 2)
    origins = [problem.origin for problem in caught.value.problems]
    assert origins == ["gone.toml", "environment LOG_LEVEL", "flag --worker-prefix"]
    assert "cannot be read: No such file" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (".", "is a directory, not a file"),
        ("a\0b", "cannot be read"),
        ("/dev/zero", "is not a regular file"),
        ("/dev/tty", "is not a regular file"),
    ],
)
def test_what_is_no_file_of_settings_is_refused(path: str, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        load(path, {}, {}, 2)


def test_a_fifo_in_the_place_of_the_file_is_refused_without_waiting() -> None:
    os.mkfifo("tqd.toml")
    with pytest.raises(ConfigError, match=r"tqd\.toml.*is not a regular file"):
        load(None, {}, {}, 2)


def test_a_link_to_a_file_is_followed() -> None:
    Path("real.toml").write_text("node.name = 'linked'")
    Path("tqd.toml").symlink_to("real.toml")
    assert load(None, {}, {}, 2).node.name == "linked"


def test_a_file_beyond_the_largest_size_is_refused() -> None:
    assert "is larger than 1,048,576 bytes" in problem_of(b"#" * 1_048_577).rule


@pytest.mark.parametrize(
    ("content", "place", "rule"),
    [
        (b"[node]\nname = \n", "line 2, column 8", "Invalid value"),
        (b"[node", "end of document", "Expected"),
        (b"[node]\nname = 1\nname = 2\n", "line 3", "Cannot overwrite"),
        (b"[node]\nname = '\xff'\n", "line 2", "is not UTF-8"),
        (b"a = " + b"[" * 100_000, "too deep", "nested too deeply"),
        (b"a = " + b"9" * 5000, "unknown place", "Exceeds the limit"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_its_place(content: bytes, place: str, rule: str) -> None:
    problem = problem_of(content)
    assert (problem.origin, problem.key) == ("tqd.toml", "syntax error")
    assert place in problem.value
    assert rule in problem.rule


def test_a_syntax_error_does_not_show_the_line() -> None:
    assert "geheim" not in str(problem_of(b"[redis]\nurl = redis://:geheim@h"))
