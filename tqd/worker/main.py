"""What a forked worker process does, from its first line to its exit code."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from dataclasses import dataclass, field

from tqd.client.task_queue import TaskQueue
from tqd.clock import monotonic
from tqd.config.model import Config
from tqd.errors import BootError, StoreError, StoreUnavailable
from tqd.log import Log
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys
from tqd.store.worker_store import WorkerStore
from tqd.system import exits
from tqd.system.channel import ChildChannel
from tqd.system.fork import ChildPipes, unblock
from tqd.system.logfile import reopen
from tqd.system.loop import end_the_rest, run_last
from tqd.system.process import start_ticks
from tqd.task.names import WorkerName
from tqd.wire.messages import MAX_TEXT, Drain, Failed, Message, Quiet, Ready, ReopenLog, SampleRequest
from tqd.wire.seal import Seal
from tqd.worker.lifecycle import Ending, Lifecycle
from tqd.worker.loading import load_app
from tqd.worker.own_end import listen
from tqd.worker.probe import ProbeInflight
from tqd.worker.stacks import StackSignal

GC_THRESHOLDS = (10_000, 20, 20)
"""Python's default of 700 objects is passed by every hundred tasks or so."""

_BOOT_PAUSE_S = 0.2
_END_S = 0.5
_EXITS = {Ending.DRAINED: exits.OK, Ending.FENCED: exits.FENCED, Ending.OVERTIME: exits.OVERTIME}
_LEFT_OUT = b"\n  [...]\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """What the master decides for one worker.

    `patience_s` is how long it waits for Redis before it says that it cannot start; `password` is for
    Redis, when the URL in use has none; `signing_keys` take the place of the app's. `launched` is when its
    generation was, in monotonic s. A `probe` has one slot and runs suspects only; one that is
    `quiet` claims nothing before it is told to.
    """

    config: Config
    node: str
    label: str
    directory: str
    patience_s: float = 5.0
    password: str = field(default="", repr=False)
    launched: float = 0.0
    signing_keys: tuple[bytes, ...] = field(default=(), repr=False)
    probe: bool = False
    quiet: bool = False


def worker_main(spec: WorkerSpec, pipes: ChildPipes) -> int:
    """Be a worker until drained; returns the exit code, with which the process must end at once."""
    # What a batch of tasks makes and drops is not worth a collection.
    gc.set_threshold(*GC_THRESHOLDS)
    return run_last(_Worker(spec, pipes).main())


class _Worker:
    def __init__(self, spec: WorkerSpec, pipes: ChildPipes) -> None:
        self._spec = spec
        self._parent = os.getppid()
        self._pipes = pipes
        self._log = Log(worker=spec.label)
        self._channel = ChildChannel(pipes, self._on_message, self._on_orphaned)
        self._lifecycle: Lifecycle | None = None
        self._drain_s: float | None = None
        self._drained = asyncio.Event()
        self._quiet = spec.quiet

    async def main(self) -> int:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._on_terminate)
        unblock()
        try:
            queue = load_app(
                self._spec.config.tasks.app, self._spec.config.tasks.modules, self._spec.directory
            )
            store = self._store(queue)
            self._channel.open()
            if not await self._registered(store):
                return exits.OK
        except BootError as error:
            return self._failed(exits.CONFIG, str(error))
        except StoreUnavailable as error:
            return self._failed(exits.UNAVAILABLE, str(error))
        except StoreError as error:
            return self._failed(exits.CONFIG, str(error))
        return await self._serve(queue, store)

    async def _serve(self, queue: TaskQueue, store: WorkerStore) -> int:
        inflight = ProbeInflight(self._channel) if self._spec.probe else None
        self._lifecycle = Lifecycle(
            self._spec.config, queue.registry, store, self._channel, self._log, self._spec.launched,
            queue.seal, inflight, self._pipes.ledger,
        )  # fmt: skip
        StackSignal(self._lifecycle.inflight, self._channel, self._pipes.dump_fd).install()
        listen(self._channel, self._lifecycle.inflight)
        self._channel.send(Ready(queue.endpoint.url, queue.namespace, len(queue.registry)))
        self._lifecycle.set_quiet(self._quiet)
        if self._drain_s is not None:
            self._lifecycle.drain(self._drain_s)
        ending = await self._lifecycle.serve()
        await store.close()
        if ending is Ending.FENCED:
            self._log.error("this worker was declared dead while it lived; another takes its place")
        if ending is not Ending.OVERTIME:
            await self._end_user_code(queue)
        return _EXITS[ending]

    async def _end_user_code(self, queue: TaskQueue) -> None:
        """Let what tasks have left behind end; no longer than a moment, as it may not want to."""
        with contextlib.suppress(TimeoutError, StoreError):
            async with asyncio.timeout(_END_S):
                await queue.aclose()
        await end_the_rest(_END_S)

    def _store(self, queue: TaskQueue) -> WorkerStore:
        spec, config = self._spec, self._spec.config
        redis = config.redis
        url = redis.url if config.explicit("redis.url") or redis.embedded else queue.endpoint.url
        namespace = redis.namespace if config.explicit("redis.namespace") else queue.namespace
        endpoint = Endpoint.configured(redis, url, spec.password)
        # What tasks enqueue goes to where the daemon consumes.
        queue.bind(endpoint, namespace)
        if spec.signing_keys:
            queue.seal = Seal(spec.signing_keys)
        name = WorkerName(spec.node, spec.label, os.getpid(), start_ticks(os.getpid()) or 0)
        return WorkerStore(
            endpoint,
            Keys(namespace),
            spec.node,
            str(name),
            config.queues.names,
            config.dead_letters.max_count,
            probe=spec.probe,
        )

    async def _registered(self, store: WorkerStore) -> bool:
        """Register, unless a drain comes first; then it is not waited for Redis any longer."""
        registered = asyncio.create_task(self._register(store))
        drained = asyncio.create_task(self._drained.wait())
        await asyncio.wait({registered, drained}, return_when=asyncio.FIRST_COMPLETED)
        drained.cancel()
        if not registered.done():
            registered.cancel()
            return False
        registered.result()
        return True

    async def _register(self, store: WorkerStore) -> None:
        patience_s = self._spec.patience_s
        deadline = monotonic() + patience_s
        waiting = False
        while True:
            try:
                await store.register(round(self._spec.config.node.lease * 1000))
                return
            except StoreUnavailable as error:
                if monotonic() >= deadline:
                    raise
                if not waiting:
                    self._log.warning("waiting for redis to start", up_to_s=patience_s, error=str(error))
                waiting = True
                await asyncio.sleep(_BOOT_PAUSE_S)

    def _failed(self, code: int, text: str) -> int:
        self._channel.send(Failed(code, fitting(text)))
        return code

    def _on_message(self, message: Message) -> None:
        match message:
            case Drain(grace_s):
                self._drain(grace_s)
            case Quiet(quiet):
                self._set_quiet(quiet)
            case SampleRequest():
                if self._lifecycle is not None:
                    self._lifecycle.beat()
            case ReopenLog(path):
                self._reopen(path)

    def _on_orphaned(self) -> None:
        self._log.warning("the master is gone; draining")
        self._drain(self._spec.config.workers.orphan_grace_period)

    def _on_terminate(self) -> None:
        # From the kernel because the master died, or from somebody who sent it by hand.
        orphaned = os.getppid() != self._parent
        workers = self._spec.config.workers
        self._drain(workers.orphan_grace_period if orphaned else workers.shutdown_grace_period)

    def _drain(self, grace_s: float) -> None:
        self._drained.set()
        if self._lifecycle is None:
            self._drain_s = grace_s if self._drain_s is None else min(self._drain_s, grace_s)
        else:
            self._lifecycle.drain(grace_s)

    def _set_quiet(self, quiet: bool) -> None:
        self._quiet = quiet
        if self._lifecycle is not None:
            self._lifecycle.set_quiet(quiet)

    def _reopen(self, path: str) -> None:
        try:
            reopen(path)
        except OSError as error:
            self._log.warning("the log goes on into the old file", path=path, error=str(error))


def fitting(text: str) -> str:
    """Return a text that fits a frame: of a longer one its beginning and its end."""
    data = text.encode(errors="backslashreplace")
    if len(data) <= MAX_TEXT:
        return data.decode()
    head, tail = data[: MAX_TEXT // 4], data[-MAX_TEXT * 3 // 4 + len(_LEFT_OUT) :]
    return (head + _LEFT_OUT + tail).decode(errors="ignore")
