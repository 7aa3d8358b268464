"""Ends a process by SIGKILL at a named point of a task's life, so that tests can see what follows.

`TQD_CRASH=<point>:<n>` in the environment of a daemon or a producer: the process that is the first to pass
the point n times (each counts its own passings) is killed there, by itself. It happens once per daemon or
producer, however many processes it forks and respawns: they share one pipe with one byte in it, and whoever
reads that byte dies. A daemon that is started again with the same variable crashes again. Without the
variable nothing of this is installed, and no line of a task's way asks for it: a point is a wrapper that is
put around a method when the process starts.
"""

from __future__ import annotations

import asyncio
import difflib
import functools
import inspect
import itertools
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from tqd.clock import monotonic
from tqd.errors import ConfigError, ConfigProblem

VARIABLE = "TQD_CRASH"

POINTS: Mapping[str, str] = {
    "before-enqueue": "a producer is about to send a call that stores tasks",
    "after-enqueue-sent": "the call was sent, its reply was not read",
    "after-enqueue-reply": "Redis has acknowledged it, the caller of enqueue does not know yet",
    "before-claim": "a worker is about to ask for tasks",
    "after-claim-sent": "it has asked, the reply was not read",
    "after-claim": "it has the tasks in hand, none was started",
    "after-bell": "it has taken the token that wakes one worker, and has not asked for tasks yet",
    "before-task": "the next thing that runs is the first line of the task",
    "after-first-line": "the first line of the task has run",
    "after-task": "the task has ended, nothing was made of that",
    "before-settle": "what follows is decided, and about to be sent",
    "after-settle-sent": "it was sent, its reply was not read",
    "after-settle-reply": "Redis has acknowledged it, the worker does not know yet",
    "before-release": "a worker that stops is about to give back what did not end",
    "before-leave": "a worker that stops has settled everything, and may still claim",
    "after-leave": "it may not claim any more, and still lives",
    "before-renew": "the keeper is about to renew the lease of its node",
    "after-renew": "the lease is renewed",
    "before-fence": "the keeper knows of a dead worker, and has done nothing yet",
    "after-fence": "the dead worker may not claim any more; its tasks are still its own",
    "mid-reclaim": "its tasks are back in their queues; it is still noted as lost",
    "after-reclaim": "it is forgotten; nobody was told that there are tasks",
    "after-settle-culprit": "the attempt that the worker was killed for is settled, the others are not back",
    "before-forget-node": "a dead node has no worker left, and is still known",
    "after-fork": "the master has forked a child, and told nobody",
    "before-worker-gone": "the master knows of a worker's death, the keeper does not",
    "after-worker-gone": "the keeper was told of a worker's death",
}
"""Every point, and what has happened there."""

Condition = Callable[[tuple[Any, ...], Any], bool]
"""Tells by a call's arguments and its result (None before the call) whether a point is passed."""

_OURS = str(Path(__file__).parents[1])
_PYTHONS = str(Path(os.__file__).parent)


class Crash(NamedTuple):
    """Where to die: at the n-th passing of a point."""

    point: str
    passing: int


class Moment(Enum):
    """When a call passes a point. SENT: once what was written has left the process.

    FIRST_LINE: once the first line of the user's code that the call leads to has run.
    """

    BEFORE = "before"
    AFTER = "after"
    SENT = "sent"
    FIRST_LINE = "first line"


def always(arguments: tuple[Any, ...], result: Any) -> bool:
    """Every call passes."""
    return True


@dataclass(frozen=True, slots=True)
class Hook:
    """A place in the code that is a point: a function of a class or a module."""

    owner: object
    name: str
    moment: Moment
    passes: Condition = always


Hooks = Mapping[str, Iterable[Hook]]


def parse(text: str) -> Crash:
    """Return what the variable says; ConfigError for anything else, with the nearest point."""
    point, _, count = text.partition(":")
    if point not in POINTS:
        near = difflib.get_close_matches(point, POINTS, 1, 0.0)
        raise _wrong(text, f"{point!r} is no crash point", f"did you mean {near[0]!r}?")
    count = count or "1"
    if not count.isascii() or not count.isdigit() or int(count) < 1:
        raise _wrong(text, "after the colon comes which passing it is", f"{point}:1 is the first")
    return Crash(point, int(count))


class Fuse:
    """The one death that was asked for. It is shared with the children of this process."""

    def __init__(self, crash: Crash, die: Callable[[Crash], None]) -> None:
        self.crash = crash
        self._die = die
        self._passings = itertools.count(1)
        self._token, write = os.pipe2(os.O_CLOEXEC)
        os.write(write, b"x")
        os.close(write)

    def burns(self) -> bool:
        """Note a passing; True when this process has to die of it."""
        if next(self._passings) != self.crash.passing:
            return False
        return os.read(self._token, 1) == b"x"

    def blow(self) -> None:
        """End this process."""
        self._die(self.crash)

    def passed(self) -> None:
        """Note a passing, and die of it if it is the one."""
        if self.burns():
            self.blow()


def kill_self(crash: Crash) -> None:
    """Say so, with the monotonic time, and end without another instruction."""
    said = f"tqd: pid {os.getpid()} ends at {crash.point}:{crash.passing}, {monotonic():.6f} s\n"
    os.write(2, said.encode())
    os.kill(os.getpid(), signal.SIGKILL)


@functools.cache
def fuse(text: str) -> Fuse:
    """Return the one fuse for what the variable says; raises ConfigError."""
    return Fuse(parse(text), kill_self)


def install(burning: Fuse, hooks: Hooks) -> None:
    """Put the fuse's point into the code of this process, if it is one of these; again is harmless."""
    for hook in hooks.get(burning.crash.point, ()):
        original = getattr(hook.owner, hook.name)
        if not hasattr(original, "tqd_crash"):
            wrapper = _wrapped(original, hook, burning)
            wrapper.tqd_crash = burning.crash  # type: ignore[attr-defined]
            setattr(hook.owner, hook.name, wrapper)


def _wrapped(original: Callable[..., Any], hook: Hook, burning: Fuse) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):
        return _wrapped_coroutine(original, hook, burning)

    @functools.wraps(original)
    def call(*arguments: Any, **named: Any) -> Any:
        _enter(hook, arguments, burning)
        result = original(*arguments, **named)
        _leave(hook, arguments, result, burning)
        return result

    return call


def _wrapped_coroutine(
    original: Callable[..., Coroutine[Any, Any, Any]], hook: Hook, burning: Fuse
) -> Callable[..., Any]:
    @functools.wraps(original)
    async def call(*arguments: Any, **named: Any) -> Any:
        _enter(hook, arguments, burning)
        result = await original(*arguments, **named)
        _leave(hook, arguments, result, burning)
        return result

    return call


def _enter(hook: Hook, arguments: tuple[Any, ...], burning: Fuse) -> None:
    if hook.moment is Moment.BEFORE and hook.passes(arguments, None):
        burning.passed()
    elif hook.moment is Moment.FIRST_LINE and hook.passes(arguments, None):
        sys.settrace(_FirstLine(burning))


def _leave(hook: Hook, arguments: tuple[Any, ...], result: Any, burning: Fuse) -> None:
    if hook.moment is Moment.AFTER and hook.passes(arguments, result):
        burning.passed()
    elif hook.moment is Moment.SENT and hook.passes(arguments, result) and burning.burns():
        _after_writing(burning.blow)


def _after_writing(blow: Callable[[], None]) -> None:
    """Die when what was written is on its way: a loop writes at the end of its round."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        blow()
    else:
        loop.call_soon(blow)


class _FirstLine:
    """Traces a thread until the first line of code that is not tqd's has run."""

    def __init__(self, burning: Fuse) -> None:
        self._burning = burning
        self._found = False
        self._lines = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> _Tracer | None:
        if self._found or not _is_foreign(frame.f_code):
            return None
        self._found = True  # what its first line calls is a part of that line
        return self._line

    def _line(self, frame: FrameType, event: str, argument: object) -> _Tracer | None:
        self._lines += event == "line"
        if self._lines < 2 and event != "return":
            return self._line
        sys.settrace(None)
        self._burning.passed()
        return None


_Tracer = Callable[[FrameType, str, object], Any]


def _is_foreign(code: CodeType) -> bool:
    file = code.co_filename
    installed = "site-packages" in file
    return not file.startswith((_OURS, "<frozen")) and (installed or not file.startswith(_PYTHONS))


def _wrong(text: str, rule: str, hint: str) -> ConfigError:
    return ConfigError([ConfigProblem(VARIABLE, repr(text), rule, "environment", hint)])
