"""`tqd restart`: the same flags again, and never behind systemd's back."""

from __future__ import annotations

import pytest

from tqd.cli.parser import parsed
from tqd.cli.restart import flags, unit_of


def options_of(*words: str) -> dict[str, object]:
    return vars(parsed(words, lambda: ""))


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-c", "other.toml"],
        ["-A", "shop:tq", "-w", "3", "-q", "a,b", "--embedded", "--runtime-dir", "/x y"],
        ["--app=-odd:name", "--worker-prefix=-w"],
    ],
)
def test_the_flags_mean_the_same_to_a_start_and_to_a_check(words: list[str]) -> None:
    asked = parsed(["restart", *words, "--timeout", "5"], lambda: "")
    for verb in ("start", "check"):
        again = options_of(verb, *flags(asked))
        plain = options_of(verb, *words)
        assert again == plain


V2 = "0::/system.slice/tqd.service\n"
V1 = "12:memory:/system.slice/tqd@high.service\n1:name=systemd:/system.slice/tqd@high.service\n"


@pytest.mark.parametrize(
    ("environ", "groups", "unit"),
    [
        (b"PATH=/bin\0SYSTEMD_EXEC_PID=77\0", V2, "tqd.service"),
        (b"SYSTEMD_EXEC_PID=77\0", V1, "tqd@high.service"),
        (b"SYSTEMD_EXEC_PID=77\0", "0::/\n", "its unit"),
        (b"SYSTEMD_EXEC_PID=7\0", V2, ""),
        (b"SYSTEMD_EXEC_PID=777\0", V2, ""),
        (b"PATH=/bin\0", V2, ""),
        (b"", "0::/user.slice/session-2.scope\n", ""),
    ],
)
def test_a_daemon_is_systemds_when_systemd_executed_it(environ: bytes, groups: str, unit: str) -> None:
    assert unit_of(77, environ, groups) == unit
