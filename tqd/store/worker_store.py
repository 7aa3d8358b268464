"""What one worker process asks of Redis, over three connections of its own.

- the work link: settlements and the next claim, in one write, one exchange in flight;
- the bell link: the wait for work (`BLPOP`), never cancelled, unblocked from outside;
- the errand link: registration, parked and cancelled tasks, the clock, unblocking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tqd.errors import StoreError
from tqd.schedule.entry import Entry
from tqd.store import calls, settling
from tqd.store.bells import ring
from tqd.store.calls import Claimant, Claimed
from tqd.store.connection import Endpoint, Link, accept
from tqd.store.cron_table import publish_call
from tqd.store.keys import Keys
from tqd.store.recording import ALIVE_S, MOST_BATCHES
from tqd.task.settle import Settlement
from tqd.wire.seal import Seal

BELL_WAIT_S = 10.0
_BELL_MARGIN_S = 5.0
UNPARK_BATCH = 100


class Exchanged:
    """What one exchange brought.

    `lost` are the ids whose claims were no longer this worker's. `claimed` is the claim's answer, if
    there was one. `refusal` is what Redis had against a call; the others were carried out.
    """

    __slots__ = ("claimed", "lost", "refusal")

    def __init__(self, settled: Sequence[object], claim: object) -> None:
        self.lost: list[bytes] = []
        self.claimed: Claimed | None = None
        self.refusal: StoreError | None = None
        for reply in settled:
            self.lost += self._accept(reply)
        answer = self._accept(claim)
        if answer:
            self.claimed = Claimed(answer)

    def _accept(self, reply: object) -> list[Any]:
        try:
            return accept(reply)  # type: ignore[no-any-return]
        except StoreError as error:
            self.refusal = error
            return []


class WorkerStore:
    """The store as a worker needs it; a `probe` claims suspects, and nothing else."""

    def __init__(
        self,
        endpoint: Endpoint,
        keys: Keys,
        node: str,
        worker: str,
        queues: Sequence[str],
        max_dead: int,
        *,
        probe: bool = False,
    ) -> None:
        self._keys = keys
        self._node = node
        self._worker = worker
        self._bells = [keys.suspect_bell] if probe else [keys.bell(queue) for queue in queues]
        self._claimant = Claimant(keys, node, worker, probe=probe)
        self._settler = settling.Settler(keys, worker, max_dead)
        self._work = Link(endpoint)
        self._bell = Link(endpoint, BELL_WAIT_S + _BELL_MARGIN_S)
        self._errand = Link(endpoint)
        self._bell_client = 0

    def now_ms(self) -> int:
        """Return Redis's time in epoch ms, as this process last measured it."""
        return self._work.clock.now_ms()

    async def register(self, lease_ms: int) -> None:
        """Make this worker one that may claim, and its node alive for `lease_ms` more.

        The keeper renews the lease from then on; an existing lease is never shortened.
        """
        await self._work.synchronise()
        await self._errand.synchronise()
        end_ms = self.now_ms() + lease_ms
        await self._errand.call(calls.lease(self._keys, self._node, end_ms, self._worker))

    async def held(self) -> dict[bytes, bytes]:
        """Return id → token of all that Redis says this worker holds (at most its slots)."""
        pairs = await self._work.call(("HGETALL", self._keys.claims(self._worker)))
        return dict(pairs)

    async def exchange(
        self, settlements: Sequence[Settlement], credit: int, caps: Sequence[tuple[str, int]]
    ) -> Exchanged:
        """Settle a batch and, with `credit` > 0, claim the next tasks, in one round trip.

        Safe to repeat after StoreUnavailable: settlements are guarded by their claim. What a lost
        reply had claimed is found with `held`.
        """
        now_ms = self.now_ms()
        commands = self._settler.settle(settlements, now_ms) if settlements else []
        settling = len(commands)
        if credit > 0:
            commands.append(self._claimant.claim(now_ms, credit, caps))
        replies = await self._work.exchange(commands)
        return Exchanged(replies[:settling], replies[-1] if credit > 0 else [])

    async def wait_for_bell(self) -> bool:
        """Wait up to 10 s for a token; True when one came. Take no other way to end it than `unblock`."""
        try:
            if not self._bell_client:
                self._bell_client = int(await self._bell.call(("CLIENT", "ID")))
            token = await self._bell.call(("BLPOP", *self._bells, BELL_WAIT_S))
        except StoreError:
            self._bell_client = 0  # the next connection has another id
            raise
        return token is not None

    async def unblock(self) -> None:
        """End a running `wait_for_bell` without losing a token."""
        if self._bell_client:
            await self._errand.call(("CLIENT", "UNBLOCK", self._bell_client))

    async def ring(self) -> None:
        """Wake a worker for each queue: this one cannot take what it was woken for."""
        await ring(self._errand, self._bells)

    async def synchronise(self) -> None:
        """Measure Redis's time again; the work link takes over what the errand link measured."""
        await self._errand.synchronise()
        self._work.clock = self._errand.clock

    async def marks(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return id → mark of those tasks that somebody has cancelled."""
        if not await self._errand.call(("HLEN", self._keys.cancels)):
            return {}
        marks = await self._errand.call(("HMGET", self._keys.cancels, *ids))
        return {one: mark for one, mark in zip(ids, marks, strict=True) if mark is not None}

    async def parked(self, names: Sequence[str]) -> tuple[list[str], bool]:
        """Return those of `names` under which tasks are parked, and whether somebody records what runs."""
        # One number says that there is neither: what is asked each round costs one command.
        keys = [self._keys.tracing, *map(self._keys.parked, names)]
        if not await self._errand.call(("EXISTS", *keys)):
            return [], False
        recorded, *parked = await self._errand.exchange([("EXISTS", key) for key in keys])
        return [name for name, reply in zip(names, parked, strict=True) if reply == 1], recorded == 1

    async def record(self, rows: bytes) -> bool:
        """Hand over what ran to whoever records; False when nobody does any more."""
        commands: list[calls.Command] = []
        if rows:
            commands = [("RPUSH", self._keys.trace, rows), ("LTRIM", self._keys.trace, -MOST_BATCHES, -1),
                        ("EXPIRE", self._keys.trace, ALIVE_S)]  # fmt: skip
        replies = await self._errand.exchange([*commands, ("EXISTS", self._keys.tracing)])
        return bool(accept(replies[-1]))

    async def parked_envelopes(self, name: str) -> list[tuple[bytes, bytes | None]]:
        """Return id and envelope of the oldest parked tasks of one name, at most 100."""
        ids = await self._errand.call(("LRANGE", self._keys.parked(name), 0, UNPARK_BATCH - 1))
        if not ids:
            return []
        envelopes = await self._errand.call(("HMGET", self._keys.task, *ids))
        return list(zip(ids, envelopes, strict=True))

    async def unpark(self, name: str, queue: str, ids: Sequence[bytes]) -> int:
        """Make parked tasks ready; returns how many this call moved."""
        return int(await self._errand.call(calls.unpark(self._keys, name, queue, ids)))

    async def publish(
        self, app: str, started_ms: int, entries: Sequence[Entry], seal: Seal | None = None
    ) -> bool:
        """Replace the schedules of an app; False when newer code has declared others.

        `started_ms`: when this code was started, in epoch ms of Redis's clock. `seal` signs them.
        """
        call = publish_call(self._keys, app, started_ms, self.now_ms(), entries, seal)
        return int(await self._errand.call(call)) >= 0

    async def leave(self) -> None:
        """Give up the right to claim, if nothing is held any more; else the keeper takes it back."""
        if await self._errand.call(("HLEN", self._keys.claims(self._worker))):
            return
        await self._errand.call(("SREM", self._keys.workers(self._node), self._worker))

    async def close(self) -> None:
        """Close all three connections."""
        for link in (self._work, self._bell, self._errand):
            await link.close()
