"""Tells the master when this process is about to be killed by its own code.

Afterwards nobody can tell a SIGKILL that a task sends to its own process from one that somebody else sends;
but the first says a lot about the task, and the second nothing. Python announces `os.kill` to those who
listen. A kill by native code, or by a process that a task has started, is not seen: that death counts as
one from outside.

What listens is called for each such announcement of the interpreter (files opened, modules imported, and
so on; none for a task that does nothing), so it looks at the name first, and may not wait or raise.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from tqd.system.channel import ChildChannel
from tqd.wire.messages import Doomed

Listener = Callable[[str, tuple[object, ...]], None]


def listen(channel: ChildChannel) -> None:
    """Listen from now to the end of this process: there is no way back."""
    sys.addaudithook(listener(channel, os.getpid()))


def listener(channel: ChildChannel, pid: int) -> Listener:
    """Return what listens for a SIGKILL of the process `pid`."""
    last = (pid, int(signal.SIGKILL))

    def heard(event: str, args: tuple[object, ...]) -> None:
        if event == "os.kill" and args == last:
            channel.send(Doomed(signal.SIGKILL))

    return heard
