"""How much of their ideal rate tasks reach that only sleep: what is lost is what a slot stands empty."""

from __future__ import annotations

from perf.backlog import drain, stage
from perf.figure import Curve, Figure, figure, moment
from perf.harness import Daemon, Plan, private_redis

NAP_S = 0.05
SLOTS = 100


def share_of_ideal(curve: Curve, nap_s: float = NAP_S, slots: int = SLOTS) -> float:
    """Return the ideal duration of all tasks by the real one, from the first start to the last end.

    The first task started one nap before the first one ended.
    """
    count = curve[0][1]
    began = moment(curve, count - 1) - nap_s
    return (count / slots * nap_s) / (moment(curve, 0) - began)


def run(plan: Plan) -> list[Figure]:
    """Measure sleeps."""
    count = plan.pick(6_000, 4_000)
    with private_redis() as server, Daemon(server) as daemon:
        stage(server, daemon.keys, SLOTS, NAP_S)
        drain(server, daemon.keys)
        shares = []
        for _ in range(plan.repeats):
            stage(server, daemon.keys, count, NAP_S)
            shares.append(share_of_ideal(drain(server, daemon.keys, step_s=0.002)))
    return [figure("sleeps", shares, ideal_per_s=SLOTS / NAP_S)]
