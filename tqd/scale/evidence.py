"""What one sample says about the thresholds: were the goals met, and were the workers busy? Pure."""

from __future__ import annotations

from tqd.scale.adapt import Evidence, Proof
from tqd.scale.view import View


def proof(view: View) -> Proof:
    """Return what this sample is evidence of; of nothing when no attempt finished in its window."""
    busy = view.signals.worker_utilization
    if not view.sample.window.finished or busy.value is None:
        return Proof(Evidence.NONE)
    miss = _miss(view)
    if miss > 1.0:
        # With idle workers more of them would not have helped, and at the maximum there are no more.
        helped = busy.value > view.limits.target_utilization and view.sample.workers < view.high
        return Proof(Evidence.MISSED, miss) if helped else Proof(Evidence.MET)
    idle = busy.vote < 0 and view.sample.workers > view.low
    return Proof(Evidence.WASTED if idle else Evidence.MET)


def _miss(view: View) -> float:
    """Return how many times its goal the worst figure is: the wait, the p95 of the run time, the failures."""
    sla = view.settings.target_sla
    shares = [(view.signals.queue_wait.value, view.signals.queue_wait.threshold)]
    shares.append((view.sample.window.run_p95_s, sla.latency_goal_s))
    shares.append((view.signals.error_rate.value, max(1e-6, 1.0 - sla.min_success_rate)))
    return max((value / goal for value, goal in shares if value is not None), default=0.0)
