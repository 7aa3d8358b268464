"""Hearing that this process is about to be killed by its own code."""

from __future__ import annotations

import signal

import pytest

from tqd.wire.messages import Doomed, Message
from tqd.worker.own_end import listener

PID, KILL = 77, int(signal.SIGKILL)


class Told:
    """The master's end."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> bool:
        self.messages.append(message)
        return True


def test_a_process_that_kills_itself_says_so_before() -> None:
    told = Told()
    listener(told, PID)("os.kill", (PID, KILL))  # type: ignore[arg-type]
    assert told.messages == [Doomed(signal.SIGKILL)]


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("os.kill", (PID, int(signal.SIGUSR1))),
        ("os.kill", (1, KILL)),
        ("os.kill", ()),
        ("open", (PID, KILL)),
        ("import", ("shop", None, None, None, None)),
    ],
)
def test_all_else_is_passed_over(event: str, args: tuple[object, ...]) -> None:
    told = Told()
    listener(told, PID)(event, args)  # type: ignore[arg-type]
    assert told.messages == []
