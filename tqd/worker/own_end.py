"""Tells the master when this process is about to be ended by its own code, and for which task that runs.

Afterwards nobody can tell a SIGKILL that a task sends to its own process from one that somebody else sends;
but the first says a lot about the task, and the second nothing. Three kinds of calls are told:

- those that Python announces to those who listen (`os.kill`, `os.killpg`, `signal.pthread_kill`);
- those that it does not, and that are wrapped therefore: `signal.raise_signal`, `signal.pidfd_send_signal`,
  `os._exit`;
- those that may be the way to a kill: the look-up of a C function that kills, the start of a command whose
  words have a "kill" in them. The master takes them for one only when the end follows at once.

A kill by native code that has looked up its function earlier is not seen: the master takes that death for one
from outside at first.

What listens is called for each announcement of the interpreter (files opened, modules imported, and so on;
none for a task that does nothing), so it looks at the name first, and may not wait or raise.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tqd.system.channel import ChildChannel
from tqd.wire.messages import Doomed
from tqd.worker.inflight import OCCUPANT, Inflight

Listener = Callable[[str, tuple[object, ...]], None]

LOOKUPS = frozenset(
    ("kill", "killpg", "pidfd_send_signal", "pthread_kill", "raise", "syscall", "tgkill", "tkill")
)
"""C functions that can end the process that calls them by SIGKILL."""

_COMMANDS = frozenset(("subprocess.Popen", "os.posix_spawn", "os.system", "os.exec"))
_EVENTS = _COMMANDS | {"os.kill", "os.killpg", "signal.pthread_kill", "ctypes.dlsym"}


def listen(channel: ChildChannel, inflight: Inflight) -> None:
    """Listen from now to the end of this process: there is no way back."""
    pid = os.getpid()
    tell = teller(channel, inflight)
    sys.addaudithook(listener(tell, pid))

    def ours() -> bool:  # a copy of this process, which a task has forked, may end as it likes
        return os.getpid() == pid

    wrap(signal, "raise_signal", tell, lambda number, *_: number == signal.SIGKILL and ours())
    wrap(signal, "pidfd_send_signal", tell, lambda pidfd, number, *_: number == signal.SIGKILL)
    wrap(os, "_exit", tell, lambda *_: bool(OCCUPANT.get()) and ours())


def teller(channel: ChildChannel, inflight: Inflight) -> Callable[[], None]:
    """Return what tells the master that the end is near, and the attempt for which the caller runs."""

    def tell() -> None:
        attempt = inflight.get(OCCUPANT.get())
        if attempt is None:
            channel.send(Doomed(b"", b""))
        else:
            channel.send(Doomed(attempt.task_id, attempt.token))

    return tell


def listener(tell: Callable[[], None], pid: int) -> Listener:
    """Return what listens for an end of the process `pid`, which leads a process group."""

    def heard(event: str, args: tuple[object, ...]) -> None:
        if event not in _EVENTS:
            return
        try:
            if ends(event, args, pid):
                tell()
        except Exception:
            pass  # raised here it would be the task's, from a call that is none of our business

    return heard


def ends(event: str, args: tuple[object, ...], pid: int) -> bool:
    """Tell whether a call that is announced may end the process `pid` by SIGKILL."""
    if event == "ctypes.dlsym":
        return args[-1] in LOOKUPS
    if event in _COMMANDS:
        return "kill" in str(args[:2])
    if event == "signal.pthread_kill":
        return args[-1] == signal.SIGKILL
    whom = (pid, 0) if event == "os.killpg" else (pid, 0, -pid, -1)
    return args[0] in whom and args[1] == signal.SIGKILL


def wrap(module: Any, name: str, tell: Callable[[], None], when: Callable[..., bool]) -> None:
    """Have a function of a module tell before it is called, when its arguments are such."""
    wrapped = getattr(module, name)

    def telling(*args: Any, **kwargs: Any) -> Any:
        try:
            if when(*args, *kwargs.values()):
                tell()
        except Exception:
            pass  # wrong arguments are refused by the function itself
        return wrapped(*args, **kwargs)

    telling.__name__, telling.__doc__ = name, wrapped.__doc__
    setattr(module, name, telling)
