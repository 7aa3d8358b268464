"""The shipped units as systemd reads them: no key that it does not know, no value that it passes over, and
how far they are closed to the rest of the machine. Needs `systemd-analyze`, and no running systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "systemd"
UNITS = ("tqd.service", "tqd@.service")
DROP_INS = sorted(path.name for path in (FOLDER / "drop-ins").glob("*.conf"))
TENTHS = 11
NEEDS = {"notify-reload.conf": 253}

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze: install Debian's systemd"
)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def version() -> int:
    (number,) = re.findall(r"^systemd (\d+)", analyze("--version").stdout)
    return int(number)


def installed(directory: Path, unit: str, drop_in: str = "") -> Path:
    """Return a unit as it would be installed, with commands that are there, and a drop-in if one is named."""
    text = (FOLDER / unit).read_text()
    name = unit.replace("@.", "@mail.")
    path = directory / name
    path.write_text(re.sub(r"^(Exec\w+)=\S+", r"\1=/bin/true", text, flags=re.MULTILINE))
    if drop_in:
        place = directory / f"{name}.d"
        place.mkdir()
        shutil.copy(FOLDER / "drop-ins" / drop_in, place)
    return path


@pytest.mark.parametrize("drop_in", ["", *DROP_INS])
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_every_line(tmp_path: Path, unit: str, drop_in: str) -> None:
    if version() < NEEDS.get(drop_in, 0):
        pytest.skip(f"{drop_in} is for systemd {NEEDS[drop_in]}, and this is {version()}")
    path = installed(tmp_path, unit, drop_in)
    checked = analyze("verify", "--man=no", "--recursive-errors=no", str(path))
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("line", ["Type=notify-me", "ProtectSystm=strict", "WatchdogSec=soon"])
def test_the_check_finds_a_line_that_systemd_would_pass_over(tmp_path: Path, line: str) -> None:
    path = installed(tmp_path, "tqd.service")
    path.write_text(path.read_text().replace("[Service]\n", f"[Service]\n{line}\n"))
    checked = analyze("verify", "--man=no", "--recursive-errors=no", str(path))
    assert checked.returncode != 0 or checked.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_the_exposure_is_at_most_what_the_readme_says(tmp_path: Path, unit: str) -> None:
    path = installed(tmp_path, unit)
    scored = analyze("security", "--offline=true", f"--threshold={TENTHS}", "--no-pager", str(path))
    assert scored.returncode == 0, scored.stdout
