"""What one run has come to, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.chaos.account import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The figures and the account of one run; `clean` when every promise was kept.

    `times_s` are kind → how long work took to go on after each such fault. `uncertain` tasks were
    enqueued by calls that raised, `refused` ones by a full Redis. `early`: delayed tasks that began before
    their time → by how much, in s. `evidence` is what is known about whatever is wrong.
    """

    seed: int
    lease_s: float
    took_s: float
    tasks: int
    uncertain: int
    refused: int
    attempts: int
    faults: dict[str, int]
    times_s: dict[str, list[float]]
    verdict: Verdict
    early: dict[int, float] = field(default_factory=dict)
    wrong_results: tuple[int, ...] = ()
    findings: tuple[str, ...] = ()
    evidence: tuple[str, ...] = field(default=(), repr=False)

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return self.verdict.clean and not (self.early or self.wrong_results or self.findings)
