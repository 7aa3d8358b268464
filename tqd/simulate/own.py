"""tqd's own policy: the very function that the daemon decides with, kept with its state. Pure."""

from __future__ import annotations

from dataclasses import replace

from tqd.scale.autoscaler import step
from tqd.scale.sample import Sample
from tqd.scale.settings import Mode, ScaleSettings, pause_s
from tqd.scale.state import State
from tqd.simulate.run import Choice


class Own:
    """Decides as a daemon with these settings would that begins with `workers` and acts."""

    def __init__(self, settings: ScaleSettings, workers: int = 1) -> None:
        self._settings = replace(settings, mode=Mode.ACT)
        self._state = State()
        self._workers = workers

    @property
    def interval_s(self) -> float:
        """How long it is until it is asked again, in s: as long as for the daemon."""
        return pause_s(self._settings.interval, self._workers)

    def choose(self, sample: Sample, now: float) -> Choice:
        """Return what the autoscaler decides, with its sentence."""
        self._state, decision = step(self._settings, self._state, sample, now)
        self._workers = decision.to_workers
        return Choice(decision.to_workers, decision.sentence if decision.changes else "")
