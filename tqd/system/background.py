"""Putting the daemon into the background: the command returns when it is ready, or with its reason."""

from __future__ import annotations

import os
from collections.abc import Callable

_READY = b"ready\n"


def run_in_background(
    daemon: Callable[[Callable[[], None]], tuple[int, str]], log_path: str
) -> tuple[int, str, int]:
    """Fork; the child becomes a session of its own with its output in `log_path` and runs `daemon`.

    `daemon` gets a function to call when it is ready, and returns exit code and reason. Returns, in
    the parent only: code (0 once ready), reason, and the daemon's pid.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _child(daemon, log_path, reader, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        word = pipe.readline()
        if word == _READY:
            return 0, "", pid
        text = pipe.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code or 70, text or f"the daemon ended before it was ready ({code}); see {log_path}", pid


def _child(
    daemon: Callable[[Callable[[], None]], tuple[int, str]], log_path: str, reader: int, writer: int
) -> None:
    code = 70
    try:
        os.setsid()
        os.close(reader)
        log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        state = {"open": True}

        def ready() -> None:
            os.write(writer, _READY)
            os.close(writer)
            state["open"] = False

        code, text = daemon(ready)
        if state["open"]:
            os.write(writer, b"failed\n" + text.encode())
    finally:
        os._exit(code)
