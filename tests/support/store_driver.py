"""Drives the store's calls one by one: each script by its Python call, over one blocking connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.places import places
from tests.support.redis_server import RedisServer
from tqd.store import calls, dead_letters, queues
from tqd.store.calls import Claimant, Claimed, Command, NewTask
from tqd.store.connection import Endpoint, SyncLink, accept
from tqd.store.keys import Keys
from tqd.store.settling import Settler
from tqd.store.talk import lead
from tqd.task.claim import Claim, Counts
from tqd.task.history import PastError
from tqd.task.outcome import ErrorInfo
from tqd.task.settle import Bury, Complete, Finish, Park, Release, RetryAt, Settlement, reclaimed
from tqd.task.uniqueness import UniqueKey, UniqueScope
from tqd.wire.history import decode_history
from tqd.wire.limit_key import encode_limit_key
from tqd.wire.packing import pack

NODE = "node"
QUEUES = ("default",)
ERROR = ErrorInfo(type="ValueError", message="no", traceback="")


def identity(number: int) -> bytes:
    """Return an id for tests; ids sort as their numbers do."""
    return number.to_bytes(16, "big")


class StoreDriver:
    """A producer, and workers by name. `now_ms` is the time that every call is given; tests move it."""

    def __init__(self, server: RedisServer, max_dead: int = 1000) -> None:
        self.server = server
        self.client = server.client
        self.keys = Keys("test")
        self.now_ms = 1_000_000
        self.max_dead = max_dead
        self._link = SyncLink(Endpoint(server.url))
        self._number = 0

    def close(self) -> None:
        self._link.close()

    # -- producing -------------------------------------------------------------------------------

    def enqueue(
        self,
        *numbers: int,
        queue: str = "default",
        due_ms: int = 0,
        call: int = 0,
        producer: str = "p",
        key: str = "",
    ) -> int:
        """Store tasks in one call; returns how many were stored. `call` repeats an earlier number.

        `key` is their limit key.
        """
        self._number += 1
        tasks = [NewTask(identity(n), queue, envelope(n, key), due_ms) for n in numbers]
        return int(self.run(calls.store_new(self.keys, producer, call or self._number, tasks)))

    def enqueue_unique(
        self,
        *numbers: int,
        key: str = "k",
        scope: UniqueScope = UniqueScope.UNTIL_DONE,
        replace: bool = False,
        queue: str = "default",
        due_ms: int = 0,
        call: int = 0,
        limit_key: str = "",
    ) -> list[tuple[int, str]]:
        """Store tasks with one key in one call; returns the number that each has, and as what."""
        self._number += 1
        tasks = [
            NewTask(
                identity(n), queue, envelope(n, limit_key), due_ms, 0, UniqueKey("job", key, scope, replace)
            )
            for n in numbers
        ]
        reply = self.run(calls.store_new(self.keys, "p", call or self._number, tasks))
        return [
            (int.from_bytes(one, "big"), word.decode()) for one, word in zip(*[iter(reply)] * 2, strict=True)
        ]

    def refused_unique(
        self, *numbers: int, keys: Sequence[str], queue: str = "default", due_ms: int = 0, call: int = 0
    ) -> tuple[int, int]:
        """Let a full queue refuse tasks with these keys; returns how many are there and how many may be."""
        self._number += 1
        tasks = [
            NewTask(
                identity(n),
                queue,
                envelope(n),
                due_ms,
                0,
                UniqueKey("job", key, UniqueScope.UNTIL_DONE, False),
            )
            for n, key in zip(numbers, keys, strict=True)
        ]
        depth, limit, _ = self.run(calls.store_new(self.keys, "p", call or self._number, tasks))
        return depth, limit

    def locks(self) -> dict[str, int]:
        """Return which keys are taken, and by which task; both sides of it must agree."""
        by_key: dict[Any, Any] = self.client.hgetall(self.keys.unique)  # type: ignore[assignment]
        by_id: dict[Any, Any] = self.client.hgetall(self.keys.keyed)  # type: ignore[assignment]
        assert {held[1:]: one for one, held in by_id.items()} == by_key
        return {key.partition(b"\0")[2].decode(): int.from_bytes(one, "big") for key, one in by_key.items()}

    def refused(
        self, *numbers: int, queue: str = "default", due_ms: int = 0, call: int = 0
    ) -> tuple[int, int]:
        """Let a full queue refuse tasks; returns how many are there and how many may be."""
        self._number += 1
        tasks = [NewTask(identity(n), queue, envelope(n), due_ms) for n in numbers]
        depth, limit, _ = self.run(calls.store_new(self.keys, "p", call or self._number, tasks))
        return depth, limit

    # -- consuming -------------------------------------------------------------------------------

    def hire(self, *workers: str, node: str = NODE) -> None:
        """Give workers the right to claim."""
        self.client.sadd(self.keys.workers(node), *workers)

    def fence(self, worker: str, node: str = NODE) -> None:
        """Take that right away, as a keeper does."""
        self.client.smove(self.keys.workers(node), self.keys.lost, worker)

    def claim(
        self,
        credit: int = 100,
        worker: str = "w1",
        queues: Sequence[str] = QUEUES,
        caps: Sequence[int] | None = None,
        *,
        probe: bool = False,
    ) -> Claimed:
        """Claim for a worker, from the queues in order; for a probe their suspects."""
        limits = caps if caps is not None else [1000] * len(queues)
        claimant = Claimant(self.keys, NODE, worker, probe=probe)
        return Claimed(self.run(claimant.claim(self.now_ms, credit, list(zip(queues, limits, strict=True)))))

    def settle(self, *settlements: Settlement, worker: str = "w1") -> list[bytes]:
        """Settle for a worker; returns the ids whose claims were lost."""
        commands = Settler(self.keys, worker, self.max_dead).settle(settlements, self.now_ms)
        return [lost for command in commands for lost in self.run(command)]

    def pause(self, queue: str = "default", *, paused: bool = True) -> bool:
        """Pause a queue or let it go on; False when it was so before."""
        return lead(self._link, queues.pause(self.keys, queue, paused=paused))

    def unpark(self, name: str, *numbers: int, queue: str = "default") -> int:
        return int(self.run(calls.unpark(self.keys, name, queue, [identity(n) for n in numbers])))

    # -- dead letters ----------------------------------------------------------------------------

    def replay(self, *numbers: int, queue: str = "default", run: str = "run") -> list[int]:
        """Replay dead letters in one call; returns those that this run has replayed."""
        tasks = [(identity(n), envelope(n)) for n in numbers]
        ids = self.run(dead_letters.replay_call(self.keys, queue, tasks, run, self.now_ms))
        return [int.from_bytes(one, "big") for one in ids]

    def purge(self, *rows: tuple[int, int]) -> list[int]:
        """Remove dead letters, each a number and the time of its death; returns those that went."""
        ids = self.run(dead_letters.purge_call(self.keys, [(identity(n), ms) for n, ms in rows]))
        return [int.from_bytes(one, "big") for one in ids]

    def prune(self, max_count: int, oldest_ms: int = 0, limit: int = 200) -> int:
        return int(self.run(calls.prune(self.keys, max_count, oldest_ms, limit)))

    def bury_new(self, *numbers: int, queue: str = "default", ttl_ms: int = 0) -> None:
        """Let tasks be dead letters, one a millisecond; the first died at `now_ms` + 1."""
        self.enqueue(*numbers, queue=queue)
        for claim in self.claim(len(numbers), queues=[queue]).claims:
            self.now_ms += 1
            assert self.settle(bury(claim, ttl_ms)) == []

    def fill(self, full: bool = True) -> None:
        """Let Redis have no memory left, so that it refuses what needs some; or let it have all."""
        self.client.config_set("maxmemory", 1 if full else 0)

    # -- looking ---------------------------------------------------------------------------------

    def run(self, command: Command) -> Any:
        """Send one command; a refusal of Redis is raised as a StoreError."""
        return accept(self._link.exchange([command])[0])

    def places(self) -> dict[int, str]:
        """Return where every task is, by its number; see `tests.support.places`."""
        return {int.from_bytes(one, "big"): place for one, place in places(self.client, self.keys).items()}

    def order(self, queue: str = "default") -> list[int]:
        """Return the numbers of the ready tasks, head first."""
        ready: list[Any] = self.client.lrange(self.keys.ready(queue), 0, -1)
        return [int.from_bytes(one, "big") for one in ready]

    def line(self, key: str, queue: str = "default") -> list[int]:
        """Return the numbers of the tasks that the limits of a key hold back, head first."""
        waiting: list[Any] = self.client.lrange(self.keys.held(queue, key), 0, -1)
        return [int.from_bytes(one, "big") for one in waiting]

    def suspects(self, queue: str = "default") -> list[int]:
        """Return the numbers of the suspects, head first."""
        waiting: list[Any] = self.client.lrange(self.keys.suspect(queue), 0, -1)
        return [int.from_bytes(one, "big") for one in waiting]

    def rings(self, queue: str = "default") -> int:
        """Return how many tokens the bell has; `!suspect` has the one of the suspects."""
        return int(self.client.llen(self.keys.bell(queue)))

    def silence(self, *queues: str) -> None:
        """Take the tokens out of bells."""
        self.client.delete(*(self.keys.bell(queue) for queue in queues or QUEUES))

    def counts(self, number: int) -> bytes | None:
        """Return what is remembered of a task's attempts."""
        return self.client.hget(self.keys.attempts, identity(number))  # type: ignore[return-value]

    def history(self, number: int) -> tuple[PastError, ...]:
        """Return what is kept of a task's failed attempts, the newest first."""
        return decode_history(self.client.hget(self.keys.errors, identity(number)) or b"")  # type: ignore[arg-type]

    def snapshot(self) -> dict[bytes, bytes]:
        """Return everything in Redis, byte by byte, to find that a call changed nothing."""
        names = [name for name in self.client.scan_iter() if b"producer:" not in name]
        return {name: bytes(self.client.dump(name) or b"") for name in names}


def envelope(number: int, key: str = "") -> bytes:
    """Return what the driver stores as the payload of a task; with a limit key, what a script needs of it."""
    text = b"payload %d" % number
    return b"\x99" + text + pack([encode_limit_key(key)], ("key",))[1:] if key else text


def numbers(claimed: Claimed) -> list[int]:
    """Return the numbers of the tasks that a claim brought."""
    return [int.from_bytes(claim.task_id, "big") for claim in claimed.claims]


def tokens(claimed: Claimed) -> list[bytes]:
    return [claim.token for claim in claimed.claims]


def complete(claim: Claim) -> Complete:
    return Complete(claim.task_id, claim.token)


def finish(claim: Claim, ttl_ms: int = 60_000, result: bytes = b"result") -> Finish:
    return Finish(claim.task_id, claim.token, ttl_ms, result)


def retry_at(
    claim: Claim,
    due_ms: int,
    counts: Counts | None = None,
    queue: str = "default",
    error: PastError | None = None,
) -> RetryAt:
    return RetryAt(claim.task_id, claim.token, queue, due_ms, counts or Counts(1, 1, 0), error)


def past(attempt: int, message: str = "no") -> PastError:
    """Return what is kept of a failed attempt."""
    return PastError(
        attempt=attempt, failed_ms=attempt, reason="raised", type="ValueError", message=message, place=""
    )


def release(claim: Claim, counts: Counts | None = None, queue: str = "default") -> Release:
    return Release(claim.task_id, claim.token, queue, counts or Counts(1, 0, 0))


def crashed(claim: Claim) -> Release:
    return reclaimed(claim.task_id, claim.token)


def park(claim: Claim, name: str = "later", counts: Counts | None = None) -> Park:
    return Park(claim.task_id, claim.token, name, counts or Counts(1, 0, 0))


def bury(claim: Claim, ttl_ms: int = 0) -> Bury:
    return Bury(claim, "raised", (ERROR,), 1, ttl_ms)


def other(claim: Claim) -> Claim:
    """Return the claim with the token of an earlier owner."""
    return Claim(claim.task_id, b"0:0:0:default", claim.envelope)
