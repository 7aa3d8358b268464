"""Forking a child so that it starts clean and cannot outlive or disturb its parent unseen.

The order matters; each line has lost signals or leaked descriptors somewhere:
1. the parent blocks signals, so that none is taken by a handler that is not the child's;
2. the child drops the parent's wakeup descriptor and handlers, and closes every descriptor that
   belongs to the parent or to siblings: a copied pipe end would hide a death from the others;
3. the child asks for a signal at its parent's death, and then looks whether it is dead already; it has a
   session of its own, so that a task that kills its process group kills its worker and no more;
4. SIGUSR1 and a crash write the child's stacks into a file in memory that the parent reads: C code
   does it, so it works whatever the child's loop is doing;
5. signals stay blocked until the child's loop has its own handlers (`unblock`);
6. the child leaves by `os._exit`, never through the parent's stack or its exit hooks.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable

from tqd.clock import reseed
from tqd.metrics.ledger import LEDGER_BYTES

PARENT_SIGNALS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1,
    signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP, signal.SIGCONT,
)  # fmt: skip
CRASHED = 70
LONGEST_DUMP = 1 << 20
"""Bytes of stacks that are read at once; the writer stops at some hundred threads and frames."""

_PR_SET_PDEATHSIG = 1
_TERMINAL_AND_STRAY = (
    signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2,
)  # fmt: skip


class Child:
    """A forked process as its parent holds it: pid, pidfd, the parent's ends of its two pipes, the file in
    memory into which it writes its stacks, and the memory into which it writes what it counts."""

    __slots__ = ("_dump_read", "control_fd", "dump_fd", "ledger", "pid", "pidfd", "status_fd")

    def __init__(
        self,
        pid: int,
        pidfd: int,
        control_fd: int,
        status_fd: int,
        dump_fd: int,
        ledger: mmap.mmap | None = None,
    ) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.control_fd = control_fd
        self.status_fd = status_fd
        self.dump_fd = dump_fd
        self.ledger = ledger
        self._dump_read = 0

    def descriptors(self) -> tuple[int, int, int, int]:
        """Return what a sibling must close."""
        return self.pidfd, self.control_fd, self.status_fd, self.dump_fd

    def read_dump(self) -> str:
        """Return the stacks that the child has written since the last call; empty when there are none.

        It writes them on SIGUSR1, on SIGABRT and when it crashes, and they outlive it until `close`.
        """
        data = os.pread(self.dump_fd, LONGEST_DUMP, self._dump_read)
        self._dump_read += len(data)
        return data.decode(errors="replace")

    def close(self) -> None:
        """Close the parent's descriptors of a child that was reaped, and let go of its ledger.

        Here and not by the collector: that may run in a later child, which does not have the memory, and
        would give back what lies there instead.
        """
        for descriptor in self.descriptors():
            os.close(descriptor)
        if self.ledger is not None:
            self.ledger.close()


class ChildPipes:
    """The child's ends: it reads what the master wants, and writes how it is, its stacks, and its counts."""

    __slots__ = ("control_fd", "dump_fd", "ledger", "status_fd")

    def __init__(
        self, control_fd: int, status_fd: int, dump_fd: int, ledger: mmap.mmap | None = None
    ) -> None:
        self.control_fd = control_fd
        self.status_fd = status_fd
        self.dump_fd = dump_fd
        self.ledger = ledger


def spawn(
    main: Callable[[ChildPipes], int], close_in_child: Iterable[int], death_signal: int = signal.SIGTERM
) -> Child:
    """Fork a child that runs `main` and exits with what it returns; OSError when that cannot be.

    `death_signal` reaches the child when this thread's process dies: fork from the main thread only.
    """
    opened: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        control_read, control_write = _pipe(opened)
        status_read, status_write = _pipe(opened)
        dump = os.memfd_create("tqd-stacks", os.MFD_CLOEXEC)
        opened.append(dump)
        ledger = mmap.mmap(-1, LEDGER_BYTES)
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, PARENT_SIGNALS)
        pid = os.fork()
        if pid == 0:
            close = (*close_in_child, control_write, status_read)
            _child(main, ChildPipes(control_read, status_write, dump, ledger), close, parent, death_signal)
        # Or a later child would keep it alive after this one's death.
        ledger.madvise(mmap.MADV_DONTFORK)
        child = Child(pid, _pidfd(pid), control_write, status_read, dump, ledger)
        opened = [control_read, status_write]
        return child
    finally:
        # In the parent only, also when there was no process or no descriptor to be had.
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for descriptor in opened:
            os.close(descriptor)


def _pipe(opened: list[int]) -> tuple[int, int]:
    pair = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    opened += pair
    return pair


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        # A child that nobody can watch must not be.
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _child(
    main: Callable[[ChildPipes], int], pipes: ChildPipes, close: Iterable[int], parent: int, death_signal: int
) -> None:
    code = CRASHED
    try:
        signal.set_wakeup_fd(-1)
        _set_dispositions()
        for descriptor in close:
            os.close(descriptor)
        die_with_parent(parent, death_signal)
        # A session and not only a group: without a controlling terminal nothing stops, or interrupts for
        # ever, what a task reads from the terminal or writes to it.
        os.setsid()
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            os.environ.pop(name, None)
        faulthandler.enable(pipes.dump_fd, all_threads=True)
        faulthandler.register(signal.SIGUSR1, pipes.dump_fd, all_threads=True)
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


def _set_dispositions() -> None:
    for number in PARENT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    # What a terminal's Ctrl-C means is the master's decision: it may be sent to all processes by hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # So may its other keys be and its end, and a stray signal must not cost tasks. Not ignored: that
    # would be handed down to what a task executes, a handler is not.
    for number in _TERMINAL_AND_STRAY:
        signal.signal(number, _nothing)


def _nothing(number: int, frame: object) -> None:
    pass


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
