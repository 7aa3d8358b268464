"""Everything breaks, again and again, while producers and daemons work: nothing is lost, doubled or stuck.

`TQD_CHAOS_SEEDS` says how many runs there are; `python -m tests.chaos --seeds 30` makes one table of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.chaos.plan import KINDS
from tests.chaos.report import table
from tests.chaos.run import run

SEEDS = int(os.environ.get("TQD_CHAOS_SEEDS", "2"))


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_nothing_is_lost_doubled_or_stuck(seed: int, record_property: Callable[[str, object], None]) -> None:
    outcome = run(seed, lambda line: print(line, flush=True))
    record_property("table", f"chaos, seed {seed}, {outcome.took_s:.0f} s\n{table([outcome])}")
    assert outcome.clean, "\n".join([repr(outcome), *outcome.evidence])
    assert set(outcome.faults) == set(KINDS)
    assert outcome.tasks > 500
