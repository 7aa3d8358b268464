"""The names of all keys. One shard's keys share a hash tag, so each script stays in one slot."""

from __future__ import annotations

from collections.abc import Iterable


class Keys:
    """The keys of one shard of one namespace."""

    __slots__ = (
        "arrived", "attempts", "cancels", "cron", "cron_apps", "cron_last", "dead", "errors", "failure",
        "holding", "keyed", "limits", "lost", "nodes", "paused", "prefix", "shard", "suspect_bell",
        "suspect_due", "task", "trace", "tracing", "unique",
    )  # fmt: skip

    def __init__(self, namespace: str, shard: int = 0) -> None:
        self.shard = shard
        self.prefix = f"{{{namespace}:{shard}}}:"
        self.task = self.prefix + "task"
        self.attempts = self.prefix + "attempts"
        self.errors = self.prefix + "errors"
        self.nodes = self.prefix + "nodes"
        self.lost = self.prefix + "lost"
        self.dead = self.prefix + "dead"
        self.failure = self.prefix + "failure"
        self.cron = self.prefix + "cron"
        self.cron_last = self.prefix + "cron:last"
        self.cron_apps = self.prefix + "cron:apps"
        self.unique = self.prefix + "unique"
        self.keyed = self.prefix + "keyed"
        self.cancels = self.prefix + "cancels"
        # No queue can have this name. The probe waits at this bell; the other key never exists.
        self.suspect_bell = self.prefix + "bell:!suspect"
        self.suspect_due = self.prefix + "due:!suspect"
        self.paused = self.prefix + "paused"
        self.trace = self.prefix + "trace"
        self.tracing = self.prefix + "tracing"
        self.limits = self.prefix + "limits"
        self.holding = self.prefix + "holding"
        self.arrived = self.prefix + "arrived"

    def ready(self, queue: str) -> str:
        """List of ids, head is next."""
        return f"{self.prefix}ready:{queue}"

    def due(self, queue: str) -> str:
        """Zset id → due ms: delayed and retrying tasks."""
        return f"{self.prefix}due:{queue}"

    def bell(self, queue: str) -> str:
        """List with at most one token; idle workers wait on the bells of the queues they serve."""
        return f"{self.prefix}bell:{queue}"

    def running(self, queue: str) -> str:
        """Hash id → token and worker: what was claimed of a queue whose concurrency is limited."""
        return f"{self.prefix}running:{queue}"

    def rate(self, queue: str) -> str:
        """String with a TTL: the token bucket of a queue whose rate is limited."""
        return f"{self.prefix}rate:{queue}"

    def flow(self, queue: str) -> str:
        """String with a TTL: how many tasks were lately taken from a queue with a depth."""
        return f"{self.prefix}flow:{queue}"

    def held(self, queue: str, key: str) -> str:
        """List of ids, head is next: ready tasks that the limits of their key hold back."""
        return f"{self.prefix}held:{queue}:{key}"

    def held_keys(self, queue: str) -> str:
        """Zset key → ms of the next look: the limit keys of a queue for which tasks are held back."""
        return f"{self.prefix}heldkeys:{queue}"

    def run_keys(self, queue: str) -> str:
        """Zset key → ms of the next look: the limit keys of which it is noted what runs."""
        return f"{self.prefix}runkeys:{queue}"

    def claims(self, worker: str) -> str:
        """Hash id → token: what one worker process holds."""
        return f"{self.prefix}claims:{worker}"

    def workers(self, node: str) -> str:
        """Set of the worker ids of one daemon that may claim."""
        return f"{self.prefix}workers:{node}"

    def suspect(self, queue: str) -> str:
        """List of ids of one queue that were there when workers died; the probe alone claims them."""
        return f"{self.prefix}suspect:{queue}"

    def parked(self, name: str) -> str:
        """List of ids whose name no worker knew."""
        return f"{self.prefix}parked:{name}"

    def result(self, identity: bytes) -> str:
        """String with a TTL; also the channel on which the record is published."""
        return f"{self.prefix}result:{identity.hex()}"

    def stance(self, node: str) -> str:
        """String with a TTL: how many workers the autoscaler of a daemon wants, and for which queues."""
        return f"{self.prefix}stance:{node}"

    def scaling(self, name: str) -> str:
        """String with a TTL: what the autoscaler of the daemon of this name remembers."""
        return f"{self.prefix}scaling:{name}"

    def decisions(self, name: str) -> str:
        """List with a TTL: what the autoscaler of the daemon of this name has decided, the newest last."""
        return f"{self.prefix}decisions:{name}"

    def current(self, name: str) -> str:
        """String with a TTL: the very last decision of the daemon of this name."""
        return f"{self.prefix}current:{name}"

    def replay(self, identity: bytes) -> str:
        """Hash with a TTL: how often a dead letter was replayed, when last, and by which run."""
        return f"{self.prefix}replay:{identity.hex()}"

    def producer(self, producer: str) -> str:
        """String with a TTL: the number of a producer's last stored call."""
        return f"{self.prefix}producer:{producer}"


def texts(reply: Iterable[bytes]) -> list[str]:
    """Return the names in a reply; those that are no text are left out, as nobody of ours wrote them."""
    return [name for item in reply if (name := item.decode(errors="ignore")).encode() == item]
