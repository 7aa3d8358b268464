"""What one sample says about the thresholds: were the goals met, and were the workers busy? Pure."""

from __future__ import annotations

from tqd.scale.adapt import Evidence, Proof
from tqd.scale.view import View

_LEAST_FAILED = 1e-6
"""A goal of no failures at all is missed by the first one, and still can be divided by."""


def proof(view: View) -> Proof:
    """Return what this sample is evidence of; of nothing when no attempt ended and no task is late."""
    busy, late = view.signals.worker_utilization, view.signals.queue_wait.vote > 0
    if busy.value is None or not (view.sample.window.finished or late):
        return Proof(Evidence.NONE)
    miss = _miss(view)
    if late or miss > 1.0:
        # With idle workers more of them would not have helped, and at the maximum there are no more.
        if busy.value <= view.limits.target_utilization or view.sample.workers >= view.high:
            return Proof(Evidence.MET)
        return Proof(Evidence.LATE) if late else Proof(Evidence.MISSED, miss)
    idle = busy.vote < 0 and view.sample.workers > view.low
    return Proof(Evidence.WASTED if idle else Evidence.MET)


def _miss(view: View) -> float:
    """Return how many times its goal the worse figure is: the p95 of the run time, or the failures."""
    sla, miss = view.settings.target_sla, 0.0
    run_p95_s, rate = view.sample.window.run_p95_s, view.signals.error_rate.value
    if run_p95_s is not None:
        miss = run_p95_s / sla.latency_goal_s
    if rate is not None:
        miss = max(miss, rate / max(_LEAST_FAILED, 1.0 - sla.min_success_rate))
    return miss
