"""What one sample says about the thresholds: were the goals met, and were the workers busy? Pure."""

from __future__ import annotations

from tqd.scale.adapt import Evidence
from tqd.scale.view import View


def evidence(view: View) -> Evidence:
    """Return what this sample is evidence of; of nothing when no attempt finished in its window."""
    busy = view.signals.worker_utilization
    if not view.sample.window.finished or busy.value is None:
        return Evidence.NONE
    if _missed(view):
        # With idle workers, more of them would not have helped.
        return Evidence.MISSED if busy.value > view.limits.target_utilization else Evidence.MET
    idle = busy.vote < 0 and view.sample.workers > view.low
    return Evidence.WASTED if idle else Evidence.MET


def _missed(view: View) -> bool:
    """Tell whether a goal is missed: the wait, the p95 of the run time, the success rate."""
    sla = view.settings.target_sla
    run_p95_s = view.sample.window.run_p95_s
    slow = run_p95_s is not None and run_p95_s > sla.latency_goal_s
    rate = view.signals.error_rate.value
    failing = rate is not None and 1.0 - rate < sla.min_success_rate
    return slow or failing or view.signals.queue_wait.vote > 0
