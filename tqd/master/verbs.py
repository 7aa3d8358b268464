"""What can be asked of a running daemon over its control socket, and what it answers."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Protocol

from tqd.clock import monotonic
from tqd.master.control import Answer
from tqd.master.events import Haste
from tqd.master.reloads import DRAINED, SERVING
from tqd.scale.manual import HOLD_S
from tqd.scale.telling import MOST_DECISIONS

MOST_WORKERS = 1024
MOST_EVENTS = 200
_HASTES = {"drain": None, "now": Haste.NOW, "kill": Haste.KILL}

Request = dict[str, object]


class Decides(Protocol):
    """What can be asked about scaling."""

    @property
    def acting(self) -> bool:
        """Whether it changes the number of workers."""

    def why(self, count: int) -> dict[str, object]:
        """Return the last decisions, the newest last, and of when they are."""

    def thresholds(self, now: float) -> dict[str, object]:
        """Return each threshold as it was set and as it was learned."""

    def freeze(self, frozen: bool) -> None:
        """Learn no more, or learn again."""

    def reset(self) -> None:
        """Forget what was learned."""


class Daemon(Protocol):
    """What the verbs act on: the master."""

    @property
    def stopping(self) -> bool:
        """Whether it is on its way out."""

    @property
    def scaling(self) -> Decides:
        """Return what decides about the number of workers."""

    def ask_status(self, answer: Answer) -> None:
        """Answer with the picture of the daemon."""

    def events(self, count: int) -> list[dict[str, object]]:
        """Return the last events."""

    def stop(self, haste: Haste | None, why: str) -> None:
        """Begin to stop, or be quicker about it."""

    def reload(self, why: str, answer: Answer | None, until: str) -> None:
        """Begin a reload; the answer comes when it has come so far."""

    @property
    def workers(self) -> int:
        """How many workers are wanted."""

    def resize(self, workers: int, why: str) -> None:
        """Want so many workers."""

    def refuse(self, reason: str, why: str) -> None:
        """Say that what was asked for without an answer is not done."""

    def quiet(self, quiet: bool, why: str) -> bool:
        """Claim nothing, or claim again; returns whether that changes anything."""


def serve(daemon: Daemon, request: Request, answer: Answer) -> None:
    """Carry out one request; whatever is wrong with it is answered."""
    verb = request.get("verb")
    handler = _VERBS.get(verb) if isinstance(verb, str) else None
    if handler is None:
        answer({"error": f"unknown verb {verb!r}; the verbs are: {', '.join(_VERBS)}"})
    elif verb in _FOR_THE_FUTURE and daemon.stopping:
        answer({"ok": False, "error": f"the daemon is stopping: {verb} has no meaning any more"})
    else:
        handler(daemon, request, answer)


def _status(daemon: Daemon, request: Request, answer: Answer) -> None:
    daemon.ask_status(answer)


def _why(daemon: Daemon, request: Request, answer: Answer) -> None:
    count = request.get("count", 20)
    if not isinstance(count, int) or not 1 <= count <= MOST_DECISIONS:
        answer({"error": f"count is {count!r}: it is a whole number from 1 to {MOST_DECISIONS}"})
        return
    events = daemon.events(min(count, MOST_EVENTS))
    answer({"events": events, **daemon.scaling.why(count)})


def _thresholds(daemon: Daemon, request: Request, answer: Answer) -> None:
    asked, scaling = request.get("do", "show"), daemon.scaling
    match asked:
        case "show":
            pass
        case "freeze" | "thaw":
            scaling.freeze(asked == "freeze")
        case "reset":
            scaling.reset()
        case _:
            answer({"error": f"do is {asked!r}: it is one of show, freeze, thaw, reset"})
            return
    answer({"ok": True, **scaling.thresholds(monotonic())})


def _stop(daemon: Daemon, request: Request, answer: Answer) -> None:
    how = request.get("how", "drain")
    if not isinstance(how, str) or how not in _HASTES:
        answer({"error": f"how is {how!r}: it is one of {', '.join(_HASTES)}"})
        return
    daemon.stop(_HASTES[how], f"tqd stop ({how})")
    answer({"ok": True, "text": "stopping"})


def _reload(daemon: Daemon, request: Request, answer: Answer) -> None:
    until = request.get("until", DRAINED)
    if until not in (SERVING, DRAINED):
        answer({"error": f"until is {until!r}: it is one of {SERVING}, {DRAINED}"})
        return
    daemon.reload("tqd reload", answer, str(until))


def _scale(daemon: Daemon, request: Request, answer: Answer) -> None:
    change, workers = request.get("change"), request.get("workers")
    number = workers if change is None else change
    whole = isinstance(number, int) and not isinstance(number, bool)
    if not isinstance(number, int) or not whole or None not in (change, workers):
        answer({"error": 'scale wants one of "workers": N and "change": ±N'})
        return
    was = daemon.workers
    wanted = number if change is None else was + number
    if reason := out_of_range(was, wanted, change=change is not None):
        answer({"ok": False, "error": reason})
        return
    daemon.resize(wanted, "tqd scale")
    text = f"{was} → {wanted} workers" if was != wanted else f"{wanted} workers were wanted already"
    if daemon.scaling.acting:
        text += f"; for {HOLD_S / 60:g} minutes, then the autoscaler decides alone again"
    answer({"ok": True, "was": was, "workers": wanted, "text": text})


def out_of_range(was: int, wanted: int, *, change: bool) -> str:
    """Return why so many workers are not to be had, in words; empty when they are.

    `change`: it was asked for as a difference to those there were.
    """
    if 0 <= wanted <= MOST_WORKERS:
        return ""
    if not change:
        return f"{wanted} workers are not to be had: it is 0 to {MOST_WORKERS}"
    return (
        f"{wanted - was:+} would make {wanted} workers of {was}: it is 0 to {MOST_WORKERS}; "
        f"ask for a change of {-was} to {MOST_WORKERS - was:+}, or for a number of workers"
    )


def _quiet(daemon: Daemon, request: Request, answer: Answer) -> None:
    new = daemon.quiet(True, "tqd quiet")
    text = "no more tasks are claimed; running ones go on" if new else "it was quiet already"
    answer({"ok": True, "text": text})


def _resume(daemon: Daemon, request: Request, answer: Answer) -> None:
    new = daemon.quiet(False, "tqd resume")
    answer({"ok": True, "text": "tasks are claimed again" if new else "it was not quiet"})


_VERBS: dict[str, Callable[[Daemon, Request, Answer], None]] = {
    "status": _status,
    "why": _why,
    "thresholds": _thresholds,
    "stop": _stop,
    "reload": _reload,
    "scale": _scale,
    "quiet": _quiet,
    "resume": _resume,
}
_FOR_THE_FUTURE = ("scale", "quiet", "resume")


def by_signal(daemon: Daemon, number: signal.Signals) -> bool:
    """Carry out what a signal means; False when it means nothing here."""
    name = number.name
    match number:
        case signal.SIGTERM | signal.SIGINT:
            daemon.stop(None, name)
        case signal.SIGQUIT:
            daemon.stop(Haste.NOW, name)
        case signal.SIGHUP:
            daemon.reload(name, None, SERVING)
        case signal.SIGTTIN | signal.SIGTTOU:
            wanted = daemon.workers + (1 if number is signal.SIGTTIN else -1)
            if reason := out_of_range(daemon.workers, wanted, change=True):
                daemon.refuse(reason, name)
            else:
                daemon.resize(wanted, name)
        case signal.SIGTSTP:
            daemon.quiet(True, name)
        case signal.SIGCONT:
            daemon.quiet(False, name)
        case _:
            return False
    return True
