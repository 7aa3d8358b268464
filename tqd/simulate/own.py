"""tqd's own policy: the very function that the daemon decides with, kept with its state. Pure."""

from __future__ import annotations

from dataclasses import replace

from tqd.scale.autoscaler import step
from tqd.scale.sample import Sample
from tqd.scale.settings import Mode, ScaleSettings
from tqd.scale.state import State
from tqd.simulate.run import Choice


class Own:
    """Decides as a daemon with these settings would that acts on what it decides."""

    def __init__(self, settings: ScaleSettings) -> None:
        self._settings = replace(settings, mode=Mode.ACT)
        self._state = State()

    @property
    def interval_s(self) -> float:
        """How often it is asked, in s."""
        return self._settings.interval

    def choose(self, sample: Sample, now: float) -> Choice:
        """Return what the autoscaler decides, with its sentence."""
        self._state, decision = step(self._settings, self._state, sample, now)
        return Choice(decision.to_workers, decision.sentence if decision.changes else "")
