"""The example of a container image: what can be held true without building it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tqd.cli.parser import VERBS
from tqd.config.table import SETTINGS

FILE = Path(__file__).parents[3] / "conf" / "Containerfile"
# Comments and continued lines apart: an instruction each.
LINES = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ").splitlines()
INSTRUCTIONS = [tuple(line.split(maxsplit=1)) for line in LINES if line]


def last(name: str) -> str:
    """Return the argument of the last instruction of a kind: the one that counts in the final image."""
    return [argument for instruction, argument in INSTRUCTIONS if instruction == name][-1]


def test_tqd_is_process_one_without_a_shell() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["tqd"]
    assert json.loads(last("CMD")) == ["start"]
    assert last("STOPSIGNAL") == "SIGTERM"


def test_it_does_not_run_as_root() -> None:
    user, group = last("USER").split(":")
    assert int(user) > 0 and int(group) > 0
    assert f"--uid {user}" in last("RUN")


def test_its_health_is_what_a_verb_says() -> None:
    program, verb = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert program == "tqd" and verb in VERBS


def test_the_settings_in_its_environment_are_ours() -> None:
    named = re.findall(r"(TQD_\w+)=", last("ENV"))
    assert named and set(named) <= {setting.variable for setting in SETTINGS}
