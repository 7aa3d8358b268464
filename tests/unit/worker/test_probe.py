"""What a probe tells of the attempt in its hand."""

from __future__ import annotations

import os
import signal

from tests.unit.worker.test_inflight import HANDLER, attempt
from tqd.wire.messages import Holding, Message
from tqd.worker.probe import NOTHING, ProbeInflight


class Told:
    """The master's end."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> bool:
        self.messages.append(message)
        return True


def probe() -> tuple[ProbeInflight, Told]:
    told = Told()
    return ProbeInflight(told), told  # type: ignore[arg-type]


def test_a_probe_has_one_slot() -> None:
    inflight, _ = probe()
    assert (inflight.slots, inflight.free) == (1, 1)


def test_the_master_knows_what_is_in_hand_from_the_beginning_to_the_end() -> None:
    inflight, told = probe()
    one = attempt(1, started=5.0)
    inflight.add(one)
    (held,) = told.messages
    assert isinstance(held, Holding)
    assert (held.task_id, held.token, held.name, held.since) == (one.task_id, one.token, HANDLER.name, 5.0)
    assert not held.doomed and len(held.policy) == 4
    assert inflight.remove(one)
    assert told.messages[1:] == [NOTHING]


def test_an_attempt_that_was_let_go_before_is_not_told_again() -> None:
    inflight, told = probe()
    one = attempt(1)
    inflight.add(one)
    inflight.remove(one)
    assert not inflight.remove(one)
    assert len(told.messages) == 2


def test_a_task_that_kills_its_own_process_is_told_before_it_does() -> None:
    inflight, told = probe()
    inflight.add(attempt(1))
    inflight._audit("os.kill", (os.getpid(), int(signal.SIGKILL)))
    doomed = told.messages[-1]
    assert isinstance(doomed, Holding) and doomed.doomed
    assert doomed.task_id == attempt(1).task_id


def test_other_kills_and_kills_between_tasks_are_not() -> None:
    inflight, told = probe()
    inflight._audit("os.kill", (os.getpid(), int(signal.SIGKILL)))
    inflight.add(attempt(1))
    for event, args in (
        ("os.kill", (os.getpid(), int(signal.SIGUSR1))),
        ("os.kill", (1, int(signal.SIGKILL))),
        ("open", (os.getpid(), int(signal.SIGKILL))),
        ("os.kill", ()),
    ):
        inflight._audit(event, args)
    assert not any(isinstance(m, Holding) and m.doomed for m in told.messages)
