"""Hearing that this process is about to be ended by its own code."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest

from tests.unit.worker.test_inflight import attempt
from tqd.wire.messages import Doomed, Message
from tqd.worker.inflight import OCCUPANT, Inflight
from tqd.worker.own_end import ends, listener, teller, wrap

PID, KILL = 77, int(signal.SIGKILL)


class Told:
    """The master's end."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.times = 0

    def send(self, message: Message) -> bool:
        self.messages.append(message)
        return True

    def tell(self) -> None:
        self.times += 1


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("os.kill", (PID, KILL)),
        ("os.kill", (PID, signal.SIGKILL)),
        ("os.kill", (0, KILL)),
        ("os.kill", (-PID, KILL)),
        ("os.kill", (-1, KILL)),
        ("os.killpg", (PID, KILL)),
        ("os.killpg", (0, KILL)),
        ("signal.pthread_kill", (140_000, KILL)),
        ("ctypes.dlsym", (None, "kill")),
        ("ctypes.dlsym", (None, "raise")),
        ("subprocess.Popen", ("kill", ["kill", "-9", "77"], None, None)),
        ("subprocess.Popen", ("/bin/sh", ["/bin/sh", "-c", "kill -9 $PPID"], None, None)),
        ("os.system", (b"kill -9 77",)),
        ("os.posix_spawn", ("/bin/pkill", ["pkill", "-9", "-f", "tqd"], {})),
        ("os.exec", ("/bin/kill", ["kill", "-9", "77"], {})),
    ],
)
def test_what_may_end_the_process_by_sigkill_is_told(event: str, args: tuple[object, ...]) -> None:
    told = Told()
    listener(told.tell, PID)(event, args)
    assert told.times == 1


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("os.kill", (PID, int(signal.SIGUSR1))),
        ("os.kill", (1, KILL)),
        ("os.kill", ()),
        ("os.killpg", (1, KILL)),
        ("signal.pthread_kill", (140_000, int(signal.SIGUSR1))),
        ("ctypes.dlsym", (None, "getpid")),
        ("ctypes.dlsym", (None, 7)),
        ("subprocess.Popen", ("ls", ["ls", "-l"], None, {"NAME": "kill"})),
        ("subprocess.Popen", ()),
        ("open", (PID, KILL)),
        ("import", ("kill", None, None, None, None)),
    ],
)
def test_all_else_is_passed_over(event: str, args: tuple[object, ...]) -> None:
    told = Told()
    listener(told.tell, PID)(event, args)
    assert told.times == 0


def test_arguments_that_cannot_be_looked_at_do_no_harm() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise ValueError("no")

    with pytest.raises(ValueError):
        ends("subprocess.Popen", ("ls", Odd()), PID)
    listener(Told().tell, PID)("subprocess.Popen", ("ls", Odd()))


def test_the_attempt_for_which_the_caller_runs_is_named_if_it_is_in_hand() -> None:
    told, inflight, held = Told(), Inflight(2), attempt(1)
    tell = teller(told, inflight)  # type: ignore[arg-type]
    tell()
    inflight.add(held)
    before = OCCUPANT.set(held.task_id)
    try:
        tell()
        inflight.remove(held)
        tell()
    finally:
        OCCUPANT.reset(before)
    assert told.messages == [Doomed(b"", b""), Doomed(held.task_id, held.token), Doomed(b"", b"")]


def test_a_function_that_nobody_announces_tells_before_it_is_called() -> None:
    told = Told()
    order: list[tuple[int, int]] = []

    def end(code: int) -> int:
        order.append((code, told.times))
        return code + 1

    module = SimpleNamespace(end=end)
    wrap(module, "end", told.tell, lambda code: code == 9)
    assert (module.end(9), module.end(0)) == (10, 1)
    assert order == [(9, 1), (0, 1)], "told once, and before"


def test_a_wrapped_function_refuses_what_it_always_refused() -> None:
    def end(code: int) -> None:
        raise TypeError(f"not {code}")

    told, module = Told(), SimpleNamespace(end=end)
    wrap(module, "end", told.tell, lambda code: code == 9)
    with pytest.raises(TypeError):
        module.end()
    assert told.times == 0
