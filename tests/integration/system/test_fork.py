"""What a forked child is like: whom it hears, what it writes when asked, what it has of its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.forked import Forked
from tests.support.wait import until
from tqd.system import fork
from tqd.system.fork import ChildPipes, spawn, unblock

NO_END = ("SIGQUIT", "SIGHUP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGUSR2", "SIGINT")


def tell(pipes: ChildPipes, text: str) -> None:
    os.write(pipes.status_fd, text.encode() + b"\n")


def told(forked: Forked, lines: int = 1) -> str:
    """Return what a child wrote into its status pipe, once it is so many lines."""
    seen: list[bytes] = []

    def enough() -> bool:
        try:
            seen.append(os.read(forked.child.status_fd, 65_536))
        except BlockingIOError:
            return False
        return b"".join(seen).count(b"\n") >= lines

    until(enough, f"{lines} lines, not {seen}", 10)
    return b"".join(seen).decode()


def sleeps_in_one_call(pipes: ChildPipes) -> int:
    unblock()
    tell(pipes, "here")
    time.sleep(600)
    return 0


def spins_for_ever(pipes: ChildPipes) -> int:
    unblock()
    tell(pipes, "here")
    while True:
        pass


def ticks(pipes: ChildPipes) -> int:
    """Write a line for each byte that comes."""
    unblock()
    os.set_blocking(pipes.control_fd, True)
    tell(pipes, "here")
    while data := os.read(pipes.control_fd, 1):
        tell(pipes, data.decode())
    return 0


@pytest.mark.parametrize("main", [sleeps_in_one_call, spins_for_ever])
def test_usr1_writes_the_stacks_of_a_child_that_does_nothing_else(main: Callable[[ChildPipes], int]) -> None:
    with Forked(main) as forked:
        told(forked)
        forked.signal(signal.SIGUSR1)
        dump = forked.dump(f"in {main.__name__}")
        assert __file__ in dump and dump.startswith(("Current thread", "Thread"))
        assert not forked.ended
        forked.signal(signal.SIGUSR1)
        dump += forked.dump(f"in {main.__name__}")
        assert dump.count(f"in {main.__name__}\n") == 2, "what was read is not read again"


def test_usr1_before_the_child_hears_signals_does_not_kill_it() -> None:
    def deaf(pipes: ChildPipes) -> int:
        tell(pipes, "deaf")
        os.set_blocking(pipes.control_fd, True)
        os.read(pipes.control_fd, 1)
        unblock()
        tell(pipes, "hears")
        time.sleep(600)
        return 0

    with Forked(deaf) as forked:
        forked.signal(signal.SIGUSR1)
        told(forked)
        forked.signal(signal.SIGUSR1)
        os.write(forked.child.control_fd, b"x")
        told(forked)
        assert "in deaf" in forked.dump("in deaf")
        assert not forked.ended


def test_the_stack_of_a_child_that_aborts_outlives_it() -> None:
    with Forked(sleeps_in_one_call) as forked:
        told(forked)
        forked.signal(signal.SIGABRT)
        assert forked.exit_code() == -signal.SIGABRT
        dump = forked.child.read_dump()
        assert "Aborted" in dump and "in sleeps_in_one_call" in dump


@pytest.mark.parametrize("name", NO_END)
def test_a_stray_or_a_terminals_signal_neither_ends_nor_stops_a_child(name: str) -> None:
    with Forked(ticks) as forked:
        told(forked)
        forked.signal(signal.Signals[name])
        os.write(forked.child.control_fd, b"x")
        assert told(forked) == "x\n"
        assert forked.state() != "T" and not forked.ended


@pytest.mark.parametrize("name", ["SIGTSTP", "SIGHUP", "SIGQUIT"])
def test_what_a_child_executes_gets_the_defaults_again(name: str) -> None:
    def executes(pipes: ChildPipes) -> int:
        unblock()
        text = "import signal, sys; print(int(signal.getsignal(getattr(signal, sys.argv[1]))))"
        answer = subprocess.run([sys.executable, "-c", text, name], capture_output=True, check=True)
        os.write(pipes.status_fd, answer.stdout)
        return 0

    with Forked(executes) as forked:
        assert int(told(forked)) == signal.SIG_DFL


def test_term_ends_a_child_that_has_no_handler_yet() -> None:
    with Forked(sleeps_in_one_call) as forked:
        told(forked)
        forked.signal(signal.SIGTERM)
        assert forked.exit_code() == -signal.SIGTERM


def test_systemds_words_are_for_the_master_only(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
    for name in names:
        monkeypatch.setenv(name, "1")

    def environment(pipes: ChildPipes) -> int:
        tell(pipes, ",".join(name for name in names if name in os.environ) + ".")
        return 0

    with Forked(environment) as forked:
        assert told(forked) == ".\n"


def test_a_sibling_has_none_of_a_childs_descriptors() -> None:
    def inodes(pipes: ChildPipes) -> int:
        mine = {pipes.control_fd, pipes.status_fd, pipes.dump_fd}
        names = [(int(one.name), os.readlink(one)) for one in Path("/proc/self/fd").iterdir() if one.exists()]
        memory = [name for fd, name in names if "tqd-stacks" in name and fd not in mine]
        tell(pipes, f"{len(memory)}")
        return 0

    with Forked(ticks) as first:
        told(first)
        second = spawn(inodes, first.child.descriptors())
        try:
            assert len(first.child.descriptors()) == len(set(first.child.descriptors())) == 4
            os.waitid(os.P_PIDFD, second.pidfd, os.WEXITED)
            assert os.read(second.status_fd, 100) == b"0\n"
        finally:
            second.close()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_closed_child_leaves_no_descriptor_behind() -> None:
    before = open_descriptors()
    with Forked(lambda _: 0) as forked:
        assert open_descriptors() == before + 4
        assert forked.exit_code() == 0
    assert open_descriptors() == before


@pytest.mark.parametrize("call", ["fork", "memfd_create", "pidfd_open"])
def test_a_fork_that_fails_leaves_neither_descriptors_nor_blocked_signals(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    forked: list[int] = []

    def fail(*arguments: object) -> int:
        forked.extend(
            argument for argument in arguments if call == "pidfd_open" and isinstance(argument, int)
        )
        raise BlockingIOError("no more")

    before = open_descriptors()
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(BlockingIOError):
        spawn(lambda _: 0, ())
    monkeypatch.undo()
    assert open_descriptors() == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(fork.PARENT_SIGNALS) == set()
    assert len(forked) == (call == "pidfd_open")
    assert not any(os.path.exists(f"/proc/{pid}") for pid in forked), "a child that nobody watches"


def test_a_child_whose_main_raises_exits_as_crashed(capfd: pytest.CaptureFixture[str]) -> None:
    def fails(_: ChildPipes) -> int:
        raise SystemExit("no")

    with Forked(fails) as forked:
        assert forked.exit_code() == fork.CRASHED
    assert "SystemExit: no" in capfd.readouterr().err


def test_a_child_that_kills_its_process_group_kills_nobody_else() -> None:
    def kills_its_group(pipes: ChildPipes) -> int:
        if os.getsid(0) == os.getpid():  # else the tests would end here
            os.kill(0, signal.SIGKILL)
        return 1

    with Forked(kills_its_group) as forked:
        assert forked.exit_code() == -signal.SIGKILL
