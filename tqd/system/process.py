"""Naming processes so that none is mistaken for another. Needs nothing but the standard library."""

from __future__ import annotations

import os
from collections.abc import Mapping


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when there is no such process.

    Pid and start together name a process for good; a pid alone is used again.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    # A zombie has ended; only its parent has not looked yet.
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def host_key() -> str:
    """Return a text that is equal for processes that can see each other's pids.

    It changes with each boot of the machine and differs between pid namespaces.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return "unknown"


def working_directory(environ: Mapping[str, str]) -> str:
    """Return the directory in which this process was started, by the name it was entered with.

    A shell's PWD keeps the name of a symbolic link; `getcwd` would tell what it led to at the start.
    """
    here, named = os.getcwd(), environ.get("PWD", "")
    try:
        same = os.path.isabs(named) and os.path.samefile(named, here)
    except OSError:
        same = False
    return named if same else here
