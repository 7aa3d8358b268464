"""The types that users see: mypy reads a file of right uses and a file of mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what mypy says of both files; one run, because reading the libraries takes longest."""
    cache = tmp_path_factory.mktemp("mypy")
    files = [str(HERE / "good.py"), str(HERE / "mistakes.py")]
    settings = [f"--config-file={ROOT / 'pyproject.toml'}", "--strict", f"--cache-dir={cache}"]
    answer, complaint, _ = api.run([*settings, "--no-error-summary", "--follow-imports=silent", *files])
    assert complaint == ""
    return answer


def errors(answer: str, name: str) -> set[tuple[int, str]]:
    pattern = rf"{name}:(\d+): error: .*\[([a-z-]+)\]$"
    return {(int(line), code) for line, code in re.findall(pattern, answer, re.MULTILINE)}


def test_right_uses_have_the_types_that_one_expects(checked: str) -> None:
    assert [line for line in checked.splitlines() if "good.py" in line] == []


def test_each_mistake_is_found_and_nothing_else(checked: str) -> None:
    lines = (HERE / "mistakes.py").read_text().splitlines()
    expected = {
        (number, found[1])
        for number, line in enumerate(lines, 1)
        if (found := re.search(r"# E: ([a-z-]+)$", line))
    }
    assert errors(checked, "mistakes.py") == expected
    assert len(expected) > 20
