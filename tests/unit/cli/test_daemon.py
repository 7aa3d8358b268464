"""Finding the daemon: stop and status look where a start would be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tqd.cli.daemon import directory_of
from tqd.cli.main import parser


@pytest.fixture(autouse=True)
def _nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TQD_RUNTIME_DIR", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


def found(*arguments: str) -> str:
    return directory_of(parser().parse_args(arguments)).path


@pytest.mark.parametrize("verb", ["stop", "status"])
def test_the_flag_wins_over_the_environment_over_the_file(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tqd.toml").write_text('[daemon]\nruntime_dir = "/file"\n')
    assert found(verb) == "/file"
    monkeypatch.setenv("TQD_RUNTIME_DIR", "/environment")
    assert found(verb) == "/environment"
    assert found(verb, "--runtime-dir", "/flag") == "/flag"


def test_a_named_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('[daemon]\nruntime_dir = "/other"\n')
    assert found("stop", "-c", "other.toml") == "/other"


def test_a_broken_file_keeps_nobody_from_stopping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tqd.toml").write_text("[daemon\n")
    assert found("stop", "--runtime-dir", "/flag") == "/flag"
    assert "going on without it" in capsys.readouterr().err
