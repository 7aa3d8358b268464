"""What systemd is told, and when."""

from __future__ import annotations

import pytest

from tqd.master.herald import EXTEND_EVERY_S, MOST_UNSAID, RETRY_S, STATUS_EVERY_S, Herald
from tqd.system.notify import Notifier

BEGAN = 1000.0
EXTEND = ("EXTEND_TIMEOUT_USEC=5000000",)
FEED = ("WATCHDOG=1",)


class Recorder(Notifier):
    """A notifier that writes down instead of sending: `sent`."""

    def __init__(self, watchdog_s: float = 0.0, present: bool = True) -> None:
        environ = {"NOTIFY_SOCKET": "/nowhere"} if present else {}
        super().__init__(environ | {"WATCHDOG_USEC": str(round(watchdog_s * 1_000_000))})
        self.sent: list[tuple[str, ...]] = []
        self.takes = True

    def send(self, *lines: str) -> bool:
        if self.takes:
            self.sent.append(lines)
        return self.takes

    def take(self) -> list[tuple[str, ...]]:
        """Return what was sent since the last take."""
        taken, self.sent = self.sent, []
        return taken


def serving(watchdog_s: float = 0.0) -> tuple[Herald, Recorder]:
    """Return a herald that has said READY with the text `all well`."""
    notifier = Recorder(watchdog_s)
    herald = Herald(notifier, BEGAN)
    herald.ready("all well")
    notifier.take()
    return herald, notifier


def test_without_systemd_no_time_is_wanted() -> None:
    assert Herald(Recorder(present=False), BEGAN).next_deadline() is None


def test_the_watchdog_is_fed_at_half_its_time_and_not_before() -> None:
    herald, notifier = serving(watchdog_s=6.0)
    assert herald.next_deadline() == BEGAN + 3.0
    herald.tick("all well", BEGAN + 2.999)
    assert notifier.take() == []
    herald.tick("all well", BEGAN + 3.5)
    assert notifier.take() == [FEED]
    herald.tick("all well", BEGAN + 6.4)
    assert notifier.take() == []
    herald.tick("all well", BEGAN + 6.5)
    assert notifier.take() == [FEED]


def test_a_watchdog_that_is_not_wanted_is_not_fed() -> None:
    herald, notifier = serving(watchdog_s=0.0)
    herald.tick("all well", BEGAN + 100)
    assert FEED not in notifier.take()


def test_time_is_asked_for_each_second_of_the_start_and_then_no_more() -> None:
    notifier = Recorder()
    herald = Herald(notifier, BEGAN)
    assert herald.next_deadline() == BEGAN + EXTEND_EVERY_S
    herald.tick("", BEGAN + 0.9)
    assert notifier.take() == []
    for second in (1.0, 2.0, 3.0):
        herald.tick("", BEGAN + second)
        herald.tick("", BEGAN + second + 0.5)
        assert notifier.take() == [EXTEND]
    herald.ready("all well")
    notifier.take()
    assert herald.next_deadline() == BEGAN + STATUS_EVERY_S
    herald.tick("all well", BEGAN + 100)
    assert notifier.take() == []


def test_time_is_asked_for_again_as_soon_as_it_stops() -> None:
    herald, notifier = serving()
    herald.stopping(BEGAN + 50)
    assert notifier.take() == [("STOPPING=1", "STATUS=draining")]
    assert herald.next_deadline() == BEGAN + 50
    herald.tick("draining: 3 tasks", BEGAN + 50)
    assert notifier.take() == [EXTEND]
    herald.tick("draining: 3 tasks", BEGAN + 50.9)
    assert notifier.take() == []
    herald.tick("draining: 3 tasks", BEGAN + 51)
    assert notifier.take() == [EXTEND]


def test_the_text_of_a_stop_stands_for_a_while() -> None:
    herald, notifier = serving()
    herald.stopping(BEGAN + 50)
    herald.tick("draining: 3 tasks", BEGAN + 54.9)
    assert ("STATUS=draining: 3 tasks",) not in notifier.take()
    herald.tick("draining: 3 tasks", BEGAN + 55)
    assert ("STATUS=draining: 3 tasks",) in notifier.take()


def test_the_text_is_brought_up_to_date_only_when_it_changed_and_is_due() -> None:
    herald, notifier = serving()
    herald.tick("busy", BEGAN + STATUS_EVERY_S - 0.1)
    assert notifier.take() == []
    herald.tick("busy", BEGAN + STATUS_EVERY_S)
    assert notifier.take() == [("STATUS=busy",)]
    assert herald.next_deadline() == BEGAN + 2 * STATUS_EVERY_S
    herald.tick("busy", BEGAN + 2 * STATUS_EVERY_S)
    assert notifier.take() == []
    herald.tick("idle", BEGAN + 3 * STATUS_EVERY_S - 0.1)
    assert notifier.take() == []
    herald.tick("idle", BEGAN + 3 * STATUS_EVERY_S)
    assert notifier.take() == [("STATUS=idle",)]


def test_ready_carries_the_text_and_counts_as_told() -> None:
    notifier = Recorder()
    herald = Herald(notifier, BEGAN)
    herald.ready("all well")
    assert notifier.take() == [("READY=1", "STATUS=all well")]
    herald.tick("all well", BEGAN + STATUS_EVERY_S)
    assert notifier.take() == []


def test_a_reload_carries_the_monotonic_time_in_the_same_message() -> None:
    herald, notifier = serving()
    herald.reloading(1234.5678914)
    assert notifier.take() == [("RELOADING=1", "MONOTONIC_USEC=1234567891")]
    herald.ready("reload refused: no such app")
    assert notifier.take() == [("READY=1", "STATUS=reload refused: no such app")]


def test_time_is_asked_for_while_a_reload_is_on() -> None:
    herald, notifier = serving()
    herald.reloading(BEGAN + 2)
    notifier.take()
    assert herald.next_deadline() == BEGAN + 2
    for second in (2.0, 3.0):
        herald.tick("all well", BEGAN + second)
        herald.tick("all well", BEGAN + second + 0.9)
        assert notifier.take() == [EXTEND]
    herald.ready("all well")
    notifier.take()
    herald.tick("all well", BEGAN + 4)
    assert notifier.take() == []


@pytest.mark.parametrize("watchdog_s", [0.0, 0.3, 7.0])
def test_a_tick_moves_the_time_that_is_wanted(watchdog_s: float) -> None:
    notifier = Recorder(watchdog_s)
    herald = Herald(notifier, BEGAN)
    for _ in range(50):
        wanted = herald.next_deadline()
        assert wanted is not None
        herald.tick("all well", wanted)
        after = herald.next_deadline()
        assert after is not None and after > wanted, "else the master's loop would spin"


def test_what_systemd_does_not_take_is_said_again_in_its_order() -> None:
    herald, notifier = serving()
    notifier.takes = False
    herald.reloading(BEGAN)
    herald.ready("reloaded")
    assert herald.next_deadline() == BEGAN + RETRY_S
    herald.tick("reloaded", BEGAN + RETRY_S)
    notifier.takes = True
    herald.tick("reloaded", BEGAN + 2 * RETRY_S)
    assert [lines[0] for lines in notifier.take()] == ["RELOADING=1", "READY=1"]
    assert herald.next_deadline() == BEGAN + STATUS_EVERY_S


def test_a_systemd_that_takes_nothing_for_long_costs_no_memory() -> None:
    herald, notifier = serving()
    notifier.takes = False
    for _ in range(10 * MOST_UNSAID):
        herald.ready("reloaded")
    notifier.takes = True
    herald.ready("at last")
    assert [lines[-1] for lines in notifier.take()][-1] == "STATUS=at last"
    assert len(notifier.take()) <= MOST_UNSAID
