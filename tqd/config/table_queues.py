"""The settings of the section `queues`, a part of `table`."""

from __future__ import annotations

from tqd.config.setting import NAME, NAME_RULE, Kind, Reload, Setting
from tqd.task.model import DEFAULT_QUEUES
from tqd.task.queue_limit import DEFAULT_WEIGHTS

QUEUES: tuple[Setting, ...] = (
    Setting(
        key="queues.names",
        kind=Kind.NAMES,
        default=DEFAULT_QUEUES,
        low=1,
        high=64,
        pattern=NAME,
        pattern_rule=NAME_RULE,
        reload=Reload.WORKERS,
        effect="The queues that are served, in the order in which they are served.",
        flags=("--queues", "-q"),
    ),
    Setting(
        key="queues.starvation_after",
        kind=Kind.NUMBER,
        default=5.0,
        unit="seconds",
        low=0.1,
        high=86_400,
        reload=Reload.WORKERS,
        effect="In the strict order, a waiting queue that got nothing for that long is served first, once.",
    ),
    Setting(
        key="queues.order",
        kind=Kind.TEXT,
        default="strict",
        choices=("strict", "weighted"),
        reload=Reload.WORKERS,
        effect="strict: the first queue first. weighted: each queue gets its share.",
    ),
    Setting(
        key="queues.weights",
        kind=Kind.WEIGHTS,
        default=DEFAULT_WEIGHTS,
        pattern_rule="each 0.001 to 1000",
        reload=Reload.WORKERS,
        effect="The shares of the queues in the weighted order; one that is not named weighs 1.",
    ),
    Setting(
        key="queues.limits",
        kind=Kind.LIMITS,
        default=(),
        pattern_rule="of max_depth, concurrency, rate, burst, key_concurrency, key_rate and key_burst",
        reload=Reload.LIVE,
        effect="How many tasks of a queue may wait, run at once, and start in a time, over all hosts.",
    ),
)
