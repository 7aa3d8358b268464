"""Reaping orphans, in a process that inherits them as PID 1 of a container does."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

from tqd.system.orphans import reap_orphans

PR_SET_CHILD_SUBREAPER = 36
LIFE_S = 30
"""A case that hangs is ended by the kernel; its descendants end with it, as their pipes do."""


def as_subreaper(case: Callable[[], Any]) -> Any:
    """Return what the case returns in a process of its own that adopts its descendants' children."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(LIFE_S)
            os.close(reader)
            assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
            os.write(writer, json.dumps(case()).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with open(reader, "rb") as file:
        told = file.read()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the case has failed: see above"
    return json.loads(told)


class Kin:
    """A child, or with `adopted` a child's child whose parent has gone; it lives until `end`."""

    def __init__(self, code: int = 0, *, adopted: bool = False) -> None:
        self.held, self.hold = os.pipe()
        self.pid = self._adopted(code) if adopted else self._fork(code)
        os.close(self.held)

    def _fork(self, code: int) -> int:
        pid = os.fork()
        if pid == 0:
            os.close(self.hold)
            os._exit(code if os.read(self.held, 1) else 1)
        return pid

    def _adopted(self, code: int) -> int:
        """Fork by a child that ends at once; its end is waited for, so that the orphan is ours."""
        reader, writer = os.pipe()
        parent = os.fork()
        if parent == 0:
            os.write(writer, str(self._fork(code)).encode())
            os._exit(0)
        os.waitpid(parent, 0)
        pid = int(os.read(reader, 20))
        os.close(reader)
        os.close(writer)
        return pid

    def end(self) -> int:
        """Let it end, and wait until it is dead, without reaping it."""
        os.write(self.hold, b"x")  # closing it is no sign: younger kin have copies
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        return self.pid

    @property
    def reaped(self) -> bool:
        """Whether it is no child of this process any more."""
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        return False


def test_without_any_child_there_is_nothing_to_reap() -> None:
    assert as_subreaper(lambda: reap_orphans(())) is False


def test_orphans_are_reaped_however_they_ended() -> None:
    def case() -> object:
        orphans = [Kin(code, adopted=True) for code in (0, 3, 0)]
        os.kill(orphans[2].pid, signal.SIGKILL)
        for orphan in orphans[:2]:
            orphan.end()
        os.waitid(os.P_PID, orphans[2].pid, os.WEXITED | os.WNOWAIT)
        before = [orphan.reaped for orphan in orphans]
        again = reap_orphans(set())
        return before, again, [orphan.reaped for orphan in orphans]

    assert as_subreaper(case) == [[False] * 3, False, [True] * 3]


def test_those_who_live_are_left_alone_and_not_waited_for() -> None:
    def case() -> object:
        living, ours, dead = Kin(adopted=True), Kin(), Kin(adopted=True)
        dead.end()
        again = reap_orphans({ours.pid})
        return again, [kin.reaped for kin in (living, ours, dead)]

    assert as_subreaper(case) == [False, [False, False, True]]


def test_ours_keep_their_exit_codes_for_whoever_waits_for_them() -> None:
    def case() -> object:
        ours = Kin(7)
        ours.end()
        again = reap_orphans({ours.pid})
        result = os.waitid(os.P_PID, ours.pid, os.WEXITED | os.WNOHANG)
        return again, result and result.si_status, reap_orphans({ours.pid})

    assert as_subreaper(case) == [True, 7, False]


def test_an_orphan_behind_one_of_ours_is_reaped_once_that_is_out_of_the_way() -> None:
    def case() -> object:
        before, ours, behind = Kin(adopted=True), Kin(7), Kin(adopted=True)
        for kin in (behind, ours, before):
            kin.end()
        first = reap_orphans({ours.pid}), before.reaped, ours.reaped, behind.reaped
        os.waitpid(ours.pid, 0)
        return first, (reap_orphans({ours.pid}), behind.reaped)

    assert as_subreaper(case) == [[True, True, False, False], [False, True]]
