"""What the forked keeper process does, from its first line to its exit code."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field

from tqd.config.model import Config
from tqd.keeper.service import Keeper
from tqd.log import Log
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys
from tqd.store.node_store import NodeStore
from tqd.system.fork import ChildPipes, unblock
from tqd.system.loop import run
from tqd.task.names import NodeName
from tqd.wire.seal import Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperSpec:
    """What the master decides for the keeper; url and namespace are those its workers use.

    `password` is for Redis, when the URL has none; `signing_keys` are for what schedules fire.
    """

    config: Config
    node: NodeName
    url: str
    namespace: str
    password: str = field(default="", repr=False)
    signing_keys: tuple[bytes, ...] = field(default=(), repr=False)


def keeper_main(spec: KeeperSpec, pipes: ChildPipes) -> int:
    """Be the keeper until drained; returns the exit code."""
    run(_serve(spec, pipes))
    return 0


async def _serve(spec: KeeperSpec, pipes: ChildPipes) -> None:
    endpoint = Endpoint.configured(spec.config.redis, spec.url, spec.password)
    store = NodeStore(endpoint, Keys(spec.namespace), str(spec.node))
    seal = Seal(spec.signing_keys) if spec.signing_keys else None
    keeper = Keeper(spec.config, spec.node, store, pipes, Log(role="keeper"), seal)
    # The master's word comes over the pipe; when it is dead, the pipe's end says so.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
    unblock()
    await keeper.serve()
