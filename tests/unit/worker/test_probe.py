"""What a probe tells of the attempt in its hand."""

from __future__ import annotations

from tests.unit.worker.test_inflight import HANDLER, attempt
from tqd.task.model import DEFAULTS
from tqd.task.policy import policy
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
    assert held.policy == policy(DEFAULTS)
    assert inflight.remove(one)
    assert told.messages[1:] == [NOTHING]


def test_an_attempt_that_was_let_go_before_is_not_told_again() -> None:
    inflight, told = probe()
    one = attempt(1)
    inflight.add(one)
    inflight.remove(one)
    assert not inflight.remove(one)
    assert len(told.messages) == 2
