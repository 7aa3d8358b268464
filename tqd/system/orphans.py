"""Reaping what is nobody's: as PID 1 of a container the master inherits the orphans of others."""

from __future__ import annotations

import os
from collections.abc import Container


def reap_orphans(ours: Container[int]) -> bool:
    """Reap dead children that are not `ours`, until there is none or one of ours is in front.

    Ours are left to whoever holds their pidfd, so that their exit codes are not lost. True when such a
    one stands in the way: call again once it is reaped.
    """
    while True:
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        if dead is None:
            return False
        if dead.si_pid in ours:
            return True
        os.waitid(os.P_PID, dead.si_pid, os.WEXITED | os.WNOHANG)
