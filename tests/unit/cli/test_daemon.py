"""Finding the daemon: every verb looks where a start would be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tqd.cli.daemon import FILES, VARIABLES, directory_of, looked_in
from tqd.cli.parser import parsed
from tqd.config.load import SEARCH_PATH, load
from tqd.config.table import BY_KEY
from tqd.system.runtime import choose


@pytest.fixture(autouse=True)
def _nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TQD_RUNTIME_DIR", "TQD_DAEMON__RUNTIME_DIR", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


def found(*arguments: str) -> str:
    return directory_of(parsed(arguments, lambda: "")).path


def test_names_and_places_are_those_of_the_configuration() -> None:
    setting = BY_KEY["daemon.runtime_dir"]
    assert (setting.variable, *setting.environment) == VARIABLES
    assert FILES == SEARCH_PATH


@pytest.mark.parametrize("verb", ["stop", "status", "top", "why", "reload", "quiet", "resume", "restart"])
def test_the_flag_wins_over_the_environment_over_the_file(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tqd.toml").write_text('[daemon]\nruntime_dir = "/file"\n')
    assert found(verb) == "/file"
    monkeypatch.setenv("TQD_RUNTIME_DIR", "/environment")
    assert found(verb) == "/environment"
    monkeypatch.setenv("TQD_DAEMON__RUNTIME_DIR", "/stronger")
    assert found(verb) == "/stronger"
    assert found(verb, "--runtime-dir", "/flag") == "/flag"


FILE = '[daemon]\nruntime_dir = "relative/file"\n'
CASES: list[tuple[dict[str, str], str | None, str | None]] = [
    ({}, None, None),
    ({}, FILE, None),
    ({"TQD_RUNTIME_DIR": ""}, FILE, None),
    ({"TQD_DAEMON__RUNTIME_DIR": ""}, FILE, None),
    ({"TQD_DAEMON__RUNTIME_DIR": "", "TQD_RUNTIME_DIR": "/weak"}, FILE, None),
    ({"RUNTIME_DIRECTORY": "/run/tqd:/run/other"}, None, None),
    ({"XDG_RUNTIME_DIR": "/run/user/7"}, "[workers]\ninitial_count = 1\n", None),
    ({"TQD_RUNTIME_DIR": "/weak"}, FILE, "flag"),
    ({"TQD_RUNTIME_DIR": "/weak"}, FILE, ""),
]


@pytest.mark.parametrize(("environ", "file", "flag"), CASES)
def test_it_is_the_directory_that_a_start_would_use(
    environ: dict[str, str],
    file: str | None,
    flag: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if file is not None:
        (tmp_path / "tqd.toml").write_text(file)
    config = load(None, os.environ, {"daemon.runtime_dir": flag}, 1)
    start = choose(config.daemon.runtime_dir, os.environ).path
    assert found("status", *([] if flag is None else ["--runtime-dir", flag])) == start


def test_a_named_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('[daemon]\nruntime_dir = "/other"\n')
    assert found("stop", "-c", "other.toml") == "/other"


BROKEN = {
    "no toml": b'[daemon\nruntime_dir = "/x"\n',
    "no text": b'[daemon]\nruntime_dir = "\xff"\n',
    "too deep": b"runtime_dir = " + b"[" * 100_000,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_keeps_nobody_from_stopping(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    (tmp_path / "tqd.toml").write_bytes(BROKEN[kind])
    assert found("stop") == "/run/user/7/tqd"
    told = capsys.readouterr().err
    assert "tqd.toml" in told and "going on without it" in told


def test_a_named_file_that_is_missing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    found("status", "--config", "nowhere.toml")
    assert "nowhere.toml" in capsys.readouterr().err


def test_a_mistake_elsewhere_in_the_file_does_not_hide_the_directory(tmp_path: Path) -> None:
    (tmp_path / "tqd.toml").write_text('[workers]\ninital_count = 1\n[daemon]\nruntime_dir = "/file"\n')
    assert found("stop") == "/file"


@pytest.mark.parametrize("value", ["7", "[1]", '{a = "b"}'])
def test_a_directory_that_is_no_text_is_none(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    (tmp_path / "tqd.toml").write_text(f"[daemon]\nruntime_dir = {value}\n")
    assert found("status") == "/run/user/7/tqd"


def test_the_daemons_of_the_systems_services_are_pointed_at(tmp_path: Path) -> None:
    for name in ("tqd", "tqd-mail", "tqd-gone", "tqdx"):
        (tmp_path / name).mkdir()
        if name != "tqd-gone":
            (tmp_path / name / "control.sock").touch()
    own = str(tmp_path / "tqd")
    assert looked_in("/x", str(tmp_path)).endswith(f"(there is one in {own} and {own}-mail)")
    assert looked_in(own, str(tmp_path)).endswith(f"(there is one in {own}-mail)")
    assert looked_in("/x", str(tmp_path / "nowhere")) == (
        "runtime directory /x; name another with --runtime-dir, TQD_RUNTIME_DIR or --config"
    )
