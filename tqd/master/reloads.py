"""Reloads from the outside: read the configuration, keep what each generation is started from, and answer
those who asked when their roll is switched, done or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tqd.config.diff import Change, diff, sentences
from tqd.config.setting import Reload
from tqd.master.control import Answer
from tqd.master.fleet import Fleet
from tqd.master.launch import Launch, Relaunch
from tqd.master.seats import ChildState

SERVING = "serving"
DRAINED = "drained"
FOR_THE_KEEPER = (
    "queues.names", "queues.limits", "workers.orphan_grace_period", "dead_letters.max_count",
    "dead_letters.max_age", "logging.level", "logging.format", "tasks.app", "scheduler.enabled",
    "scheduler.tick_interval", "scheduler.max_tasks_per_tick",
)  # fmt: skip
"""What a keeper is started from and a reload can change."""


@dataclass(slots=True)
class Waiter:
    """Somebody who waits for a reload; `generation` is 0 until its roll has begun."""

    answer: Answer
    until: str
    generation: int = 0
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReload:
    """How the last reload ended, and when (monotonic s)."""

    ok: bool
    text: str
    at: float


class Reloads:
    """The launches by generation, and who waits. `current` is the launch that serves."""

    def __init__(self, launch: Launch, relaunch: Relaunch) -> None:
        self._relaunch = relaunch
        self._launches = {1: launch}
        self._next: tuple[Launch, tuple[Change, ...]] | None = None
        self._changes: dict[int, tuple[Change, ...]] = {}
        self._waiters: list[Waiter] = []
        self.current = launch
        self.last: LastReload | None = None
        self.for_restart: tuple[Change, ...] = ()

    def launch(self, generation: int) -> Launch:
        """Return what a generation's children are started from."""
        return self._launches[generation]

    def prepare(self, overlap: int | None) -> tuple[Launch, bool]:
        """Read the configuration for the next generation; returns it, and whether the keeper is touched.

        `overlap`: how many more workers memory has room for. Raises ConfigError.
        """
        launch, changes = self._relaunch(self.current)
        launch = replace(launch, plan=replace(launch.plan, overlap=overlap))
        self._next = launch, changes
        # A roll that is on may be done or refused before this one begins: the keeper is then of either.
        return launch, any(_differs_for_the_keeper(old, launch) for old in self._launches.values())

    def wait(self, answer: Answer, until: str) -> None:
        """Answer somebody when the next roll has come so far: serving, or drained."""
        self._waiters.append(Waiter(answer, until))

    def began(self, generation: int) -> None:
        """A roll has begun: those who waited, wait for it."""
        assert self._next is not None
        launch, changes = self._next
        restart = [change for change in changes if change.reload is Reload.RESTART]
        # Compared anew: since it was read, another generation may have begun to serve.
        self._launches[generation] = launch
        self._changes[generation] = (*diff(self.current.config, launch.config), *restart)
        for waiter in self._waiters:
            waiter.generation = waiter.generation or generation

    def switched(self, generation: int) -> None:
        """The new generation is there, and its launch is the current one."""
        self.current = self._launches[generation]
        changes = self._changes[generation]
        self.for_restart = tuple(change for change in changes if change.reload is Reload.RESTART)

    def serving(self, generation: int, now: float) -> str:
        """The new generation alone claims tasks; returns what there is to say about it."""
        changes = self._changes[generation]
        said = "; ".join(sentences(changes))
        text = f"generation {generation} serves; {said}"
        self.last = LastReload(ok=True, text=text, at=now)
        self._answer(generation, SERVING, self._success(generation))
        return text

    def done(self, generation: int) -> None:
        """The old generations are gone."""
        self._answer(generation, DRAINED, self._success(generation))
        self._launches = {g: launch for g, launch in self._launches.items() if g >= generation}
        self._changes = {g: changes for g, changes in self._changes.items() if g >= generation}

    def refused(self, generation: int, reason: str, now: float) -> None:
        """A roll has failed, or (generation 0) could not begin: the old generation goes on."""
        self._launches.pop(generation, None)
        self._changes.pop(generation, None)
        self.last = LastReload(ok=False, text=reason, at=now)
        if generation:
            self._tell(reason, lambda waiter: waiter.generation == generation)

    def give_up(self, reason: str) -> None:
        """Tell all who wait that there will be no reload."""
        self._tell(reason, lambda waiter: True)

    def _tell(self, reason: str, whose: Callable[[Waiter], bool]) -> None:
        left = [waiter for waiter in self._waiters if not whose(waiter)]
        told = [waiter for waiter in self._waiters if whose(waiter)]
        self._waiters = left
        for waiter in told:
            waiter.answer({"ok": False, "error": reason})

    def tell_progress(self, fleet: Fleet) -> None:
        """Tell those who wait how far it is, whenever that has changed."""
        for waiter in self._waiters:
            text = progress(fleet, waiter.generation)
            if text and text != waiter.said:
                waiter.said = text
                waiter.answer({"progress": text})

    def _success(self, generation: int) -> dict[str, object]:
        changes = self._changes[generation]
        restart = tuple(change for change in changes if change.reload is Reload.RESTART)
        others = tuple(change for change in changes if change not in restart)
        return {
            "ok": True,
            "generation": generation,
            "text": f"generation {generation} serves",
            "changes": list(sentences(others)) if others or not restart else [],
            "warnings": [
                *self._launches[generation].config.warnings,
                *(sentences(restart) if restart else ()),
            ],
        }

    def _answer(self, generation: int, until: str, answer: dict[str, object]) -> None:
        for waiter in list(self._waiters):
            if waiter.generation == generation and waiter.until == until:
                self._waiters.remove(waiter)
                waiter.answer(answer)


def progress(fleet: Fleet, generation: int) -> str:
    """Return in words how far a roll has come; 0 stands for one that has not begun."""
    if not generation:
        return "waiting for the last reload, or for room beside the workers that are still leaving"
    roll = fleet.rollout.roll
    if roll is not None and roll.generation == generation:
        workers = fleet.seats.workers(generation)
        ready = sum(seat.state is ChildState.READY for seat in workers)
        if not ready and len(workers) == 1:
            return f"generation {generation}: {workers[0].name} imports the app"
        return f"generation {generation}: {ready} of {max(1, roll.workers)} workers ready"
    old = [seat for seat in fleet.seats.workers() if seat.generation < generation]
    tasks = sum(seat.busy for seat in old)
    noun = "1 old worker is" if len(old) == 1 else f"{len(old)} old workers are"
    return f"generation {generation} serves; {noun} leaving with {tasks} tasks in hand"


def _differs_for_the_keeper(old: Launch, new: Launch) -> bool:
    changes = diff(old.config, new.config)
    return old.signing_keys != new.signing_keys or any(one.key in FOR_THE_KEEPER for one in changes)
