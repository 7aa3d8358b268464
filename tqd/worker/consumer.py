"""The worker's one conversation with Redis: settle what is decided, claim what the free slots allow.

1. Whatever the settler holds and the free slots can take goes into one exchange.
2. While its reply is on the way, attempts run and settlements gather for the next one.
3. The reply brings tasks, and says whether more is waiting and when the next one is due. With more to
   do the next exchange is sent first, and the tasks are started while it is on its way.
4. With nothing to settle and nothing to claim it sleeps: until a settlement comes, a slot falls free
   while work is left, the bell rings, or the next due time. Work that is held back by a limit is claimed
   together with the next settlement, which may have made room, or at the time that the reply tells.

One exchange is in flight, ever. It is never cancelled: a claim whose reply nobody reads would be
held by nobody. When a connection breaks, what the lost reply may have claimed is looked up and given
back before anything else.
"""

from __future__ import annotations

import asyncio

from tqd.clock import chance, monotonic
from tqd.errors import StoreError
from tqd.log import Log
from tqd.store.calls import Claimed
from tqd.store.worker_store import Exchanged, WorkerStore
from tqd.task.cancelling import read_mark, spoken
from tqd.task.claim import Claim, parse_token
from tqd.task.settle import Release, Settlement
from tqd.worker.executor import Executor
from tqd.worker.inflight import Inflight
from tqd.worker.order import Order
from tqd.worker.settler import Settler, ids_of

LONG_RUN_S = 0.005
"""From here on a task is long: many times the time of an exchange."""

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_REFUSAL_PAUSE_S = 1.0


class Consumer:
    """Owns the work link: `run` until `finish` was called and everything is settled."""

    def __init__(
        self,
        store: WorkerStore,
        executor: Executor,
        inflight: Inflight,
        settler: Settler,
        order: Order,
        log: Log,
    ) -> None:
        self._store = store
        self._executor = executor
        self._inflight = inflight
        self._settler = settler
        self._order = order
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._work_expected = True
        self._held_back = False
        self._claiming = True
        self._quiet = False
        self._finishing = False
        self._failures = 0
        self._refused = False
        self._unstarted: list[Claim] = []
        self.idle = asyncio.Event()
        self.last_claimed = asyncio.Event()
        self.leave_bell = asyncio.Event()
        self.overdue = asyncio.Event()
        self.fenced = asyncio.Event()
        self._half = (inflight.slots + 1) // 2
        self._eighth = (inflight.slots + 7) // 8

    def wake(self) -> None:
        """Look again: there is something to settle, or a slot is free."""
        self._awake.set()

    def expect_work(self) -> None:
        """Look into the queues again: the bell rang, or a task is due."""
        self._work_expected = True
        self._awake.set()

    @property
    def claiming(self) -> bool:
        """Whether tasks are claimed: neither quiet nor stopped."""
        return self._claiming and not self._quiet

    def set_quiet(self, quiet: bool) -> None:
        """Claim nothing (True), or claim again (False); settling goes on either way."""
        if quiet is self._quiet or not self._claiming:
            return
        self._quiet = quiet
        if not quiet:
            self.expect_work()
            return
        self.idle.clear()
        self.leave_bell.set()
        if self._work_expected:
            self.overdue.set()  # it was called to work that somebody else has to take now

    def stop_claiming(self) -> None:
        """Claim nothing from now on; settling goes on. `last_claimed` is set once the last is in hand."""
        self._claiming = False
        self.idle.clear()
        self._awake.set()

    def finish(self) -> None:
        """End `run` as soon as nothing waits to be settled."""
        self._finishing = True
        self._awake.set()

    async def run(self) -> None:
        """Exchange until finished."""
        while True:
            batch = [] if self._refused else self._settler.take()
            credit = self._credit(bool(batch))
            if batch or credit > 0:
                await self._overlap(batch, credit)
            elif self._unstarted:
                self._start()
            elif self._finishing and not len(self._settler):
                return
            else:
                await self._sleep()

    def _credit(self, settling: bool) -> int:
        """Return how many tasks to ask for: a part of the slots, so that the next part is on its way
        while this one is started. Long tasks in small parts, as what counts is the time a slot is
        empty; short ones in halves, as what counts is the number of exchanges.
        """
        expected = self._work_expected or (settling and self._held_back)
        if self._quiet or not (self._claiming and expected):
            return 0
        free = self._inflight.free - len(self._unstarted)
        return min(free, self._eighth if self._executor.tally.last_run_s > LONG_RUN_S else self._half)

    async def _overlap(self, batch: list[Settlement], credit: int) -> None:
        """Exchange; what the last exchange has brought is started while this one is on its way."""
        if not self._unstarted:
            await self._exchange(batch, credit)
            return
        flight = self._loop.create_task(self._exchange(batch, credit))
        await asyncio.sleep(0)  # it is sent now
        self._start()
        await flight

    def _start(self) -> None:
        claims, self._unstarted = self._unstarted, []
        # What a late reply brings to a worker that has given all back follows that.
        if self._finishing:
            start = self._executor.release
        else:
            start = self._executor.start
            self._executor.begin_batch()
        for claim in claims:
            start(claim)

    async def _sleep(self) -> None:
        self._awake.clear()
        if not self._claiming:
            self.last_claimed.set()
        if self.claiming and not self._work_expected:
            self.idle.set()
        await self._awake.wait()
        self.idle.clear()

    async def _exchange(self, batch: list[Settlement], credit: int) -> None:
        caps = self._order.caps(credit, monotonic()) if credit else []
        if credit:
            # Whoever calls from now on may mean a task that comes after this claim: it is heard later.
            self._work_expected = False
        try:
            if self._failures:
                await self._recover(batch)
            answer = await self._store.exchange(batch, credit, caps)
        except StoreError as error:
            self._settler.put_back(batch)
            self._work_expected |= credit > 0
            await self._pause(error)
            return
        if self._failures:
            self._log.info("redis answers again", failures=self._failures)
            self._failures = 0
        self._settled(batch, answer)
        if answer.claimed is not None:
            self._claimed(answer.claimed)

    def _settled(self, batch: list[Settlement], answer: Exchanged) -> None:
        if answer.lost and not self._settler.uncertain:
            self._executor.tally.settled_late(len(answer.lost))
            self._log.warning(
                "tasks were settled by a newer owner", count=len(answer.lost), task=answer.lost[0].hex()
            )
        if answer.refusal is not None:
            # Which call it was is not known here. What the others settled is lost next time, and dropped.
            self._settler.put_back(batch, set(answer.lost))
            self._refused = True
            self._work_expected = False
            self._loop.call_later(_REFUSAL_PAUSE_S, self._try_refused)
            self._log.error("redis refused a call", error=str(answer.refusal), again_in_s=_REFUSAL_PAUSE_S)
        elif batch:
            self._settler.uncertain = False

    def _try_refused(self) -> None:
        self._refused = False
        self.expect_work()

    def _claimed(self, claimed: Claimed) -> None:
        if claimed.fenced:
            self._claiming = False
            self.fenced.set()
            return
        if claimed.dropped:
            self._log.warning("ids without a task were dropped from a queue", count=claimed.dropped)
        if claimed.bad_queue:
            self._log.error("a queue's keys hold something else and are passed over", queue=claimed.bad_queue)
        self._unstarted += claimed.claims if not claimed.cancelled else self._living(claimed)
        self._work_expected |= claimed.work_left
        self._held_back = claimed.held_back
        self._order.served(_origins(claimed) if claimed.work_left else (), claimed.work_left, monotonic())
        self._set_timer(claimed.next_due_ms)

    def _living(self, claimed: Claimed) -> list[Claim]:
        """End what was cancelled before it could run; returns the others."""
        for claim in claimed.claims:
            if claim.task_id in claimed.cancelled:
                self._executor.refuse(claim, spoken(read_mark(claimed.cancelled[claim.task_id])))
        return [claim for claim in claimed.claims if claim.task_id not in claimed.cancelled]

    def _set_timer(self, due_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_ms:
            delay_s = max(0, due_ms - self._store.now_ms()) / 1000
            self._timer = self._loop.call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._quiet or self._inflight.free <= 0:
            # Somebody else has to take it: who waits at the bell does not know of the due time.
            self.overdue.set()
        self.expect_work()

    async def _pause(self, error: StoreError) -> None:
        if self._failures == 0:
            self._log.warning("redis is unavailable; claiming and settling wait for it", error=str(error))
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0**self._failures) * (0.5 + chance() / 2)
        self._failures += 1
        await asyncio.sleep(pause_s)

    async def _recover(self, batch: list[Settlement]) -> None:
        """Give back what a lost reply may have claimed: held in Redis, and known to nobody here.

        `batch` is known as well: it is settled next.
        """
        held = await self._store.held()
        known = self._settler.ids() | ids_of(batch) | {claim.task_id for claim in self._unstarted}
        releases: list[Settlement] = []
        for task_id, token in held.items():
            if self._inflight.get(task_id) is not None or task_id in known:
                continue
            try:
                counts, queue = parse_token(token)
            except ValueError:
                continue  # nobody of ours wrote this; it must not keep the others from their queues
            releases.append(Release(task_id, token, queue, counts))
        if releases:
            await self._store.exchange(releases, 0, [])
            self._log.info("tasks of a lost reply were given back", count=len(releases))


def _origins(claimed: Claimed) -> set[str]:
    # Tokens of a queue's first attempts are equal: few are left to be read.
    return {parse_token(token)[1] for token in {claim.token for claim in claimed.claims}}
