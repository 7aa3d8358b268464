"""Forking a child so that it starts clean and cannot outlive or disturb its parent unseen.

The order matters; each line has lost signals or leaked descriptors somewhere:
1. the parent blocks signals, so that none is taken by a handler that is not the child's;
2. the child drops the parent's wakeup descriptor and handlers, and closes every descriptor that
   belongs to the parent or to siblings: a copied pipe end would hide a death from the others;
3. the child asks for a signal at its parent's death, and then looks whether it is dead already;
4. signals stay blocked until the child's loop has its own handlers (`unblock`);
5. the child leaves by `os._exit`, never through the parent's stack or its exit hooks.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable

from tqd.clock import reseed

PARENT_SIGNALS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1,
    signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP, signal.SIGCONT,
)  # fmt: skip
CRASHED = 70

_PR_SET_PDEATHSIG = 1


class Child:
    """A forked process as its parent holds it: pid, pidfd, and the parent's ends of its two pipes."""

    __slots__ = ("control_fd", "pid", "pidfd", "status_fd")

    def __init__(self, pid: int, pidfd: int, control_fd: int, status_fd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.control_fd = control_fd
        self.status_fd = status_fd

    def descriptors(self) -> tuple[int, int, int]:
        """Return what a sibling must close."""
        return self.pidfd, self.control_fd, self.status_fd

    def close(self) -> None:
        """Close the parent's descriptors of a child that was reaped."""
        for descriptor in self.descriptors():
            os.close(descriptor)


class ChildPipes:
    """The child's ends: it reads what the master wants, and writes how it is."""

    __slots__ = ("control_fd", "status_fd")

    def __init__(self, control_fd: int, status_fd: int) -> None:
        self.control_fd = control_fd
        self.status_fd = status_fd


def spawn(
    main: Callable[[ChildPipes], int], close_in_child: Iterable[int], death_signal: int = signal.SIGTERM
) -> Child:
    """Fork a child that runs `main` and exits with what it returns.

    `death_signal` reaches the child when this thread's process dies: fork from the main thread only.
    """
    control_read, control_write = os.pipe2(os.O_CLOEXEC)
    status_read, status_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(control_read, False)
    os.set_blocking(control_write, False)
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PARENT_SIGNALS)
    pid = os.fork()
    if pid == 0:
        close = (*close_in_child, control_write, status_read)
        pipes = ChildPipes(control_read, status_write)
        _child(main, pipes, close, parent, death_signal)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(control_read)
    os.close(status_write)
    return Child(pid, os.pidfd_open(pid), control_write, status_read)


def _child(
    main: Callable[[ChildPipes], int], pipes: ChildPipes, close: Iterable[int], parent: int, death_signal: int
) -> None:
    code = CRASHED
    try:
        signal.set_wakeup_fd(-1)
        for number in PARENT_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        # A terminal's Ctrl-C goes to the whole group; what it means is the master's decision.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for descriptor in close:
            os.close(descriptor)
        die_with_parent(parent, death_signal)
        os.environ.pop("NOTIFY_SOCKET", None)
        os.environ.pop("WATCHDOG_USEC", None)
        reseed()
        gc.enable()
        code = main(pipes)
    except BaseException:
        # Nothing may leave this frame: above it lies the parent's stack.
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def unblock() -> None:
    """Let signals through; called by a child once its own handlers stand."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PARENT_SIGNALS)


def die_with_parent(parent: int, death_signal: int) -> None:
    """Have the kernel send `death_signal` when the parent dies; leave when it has died already."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(CRASHED)


def freeze() -> None:
    """Put all objects of this process out of the collector's reach, so that children share them."""
    gc.collect()
    gc.freeze()
