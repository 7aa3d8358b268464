"""What systemd's environment means to the notifier."""

from __future__ import annotations

import os

import pytest

from tqd.system.notify import Notifier, status

SOCKET = {"NOTIFY_SOCKET": "/run/systemd/notify"}


@pytest.mark.parametrize(
    ("environ", "present"), [({}, False), ({"NOTIFY_SOCKET": ""}, False), (SOCKET, True)]
)
def test_it_is_there_when_a_socket_is_named(environ: dict[str, str], present: bool) -> None:
    assert Notifier(environ).present is present


@pytest.mark.parametrize("pid", [{}, {"WATCHDOG_PID": ""}, {"WATCHDOG_PID": str(os.getpid())}])
def test_the_watchdog_is_ours_without_a_pid_or_with_our_own(pid: dict[str, str]) -> None:
    assert Notifier(SOCKET | {"WATCHDOG_USEC": "2500000"} | pid).watchdog_s == 2.5


@pytest.mark.parametrize(
    "environ",
    [
        SOCKET,
        {"WATCHDOG_USEC": "2500000"},
        SOCKET | {"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": str(os.getpid() + 1)},
        SOCKET | {"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": f"0{os.getpid()}"},
        SOCKET | {"WATCHDOG_USEC": ""},
        SOCKET | {"WATCHDOG_USEC": "0"},
        SOCKET | {"WATCHDOG_USEC": "-1"},
        SOCKET | {"WATCHDOG_USEC": "2.5"},
        SOCKET | {"WATCHDOG_USEC": "soon"},
    ],
)
def test_else_nobody_waits_for_it(environ: dict[str, str]) -> None:
    assert Notifier(environ).watchdog_s == 0.0


def test_without_a_socket_nothing_is_sent() -> None:
    assert Notifier({}).send("READY=1") is False


def test_the_line_of_text() -> None:
    assert status("4 of 4 workers ready") == "STATUS=4 of 4 workers ready"
