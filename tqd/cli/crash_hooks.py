"""Where a daemon's processes pass the crash points, see `tqd.system.crash`. Loaded only when asked for."""

from __future__ import annotations

from typing import Any

from tqd.keeper.reaper import Reaper
from tqd.master import children
from tqd.master.events import Role
from tqd.master.launch import ChildMain
from tqd.store.connection import Link
from tqd.store.node_store import NodeStore
from tqd.store.pipe import RedisPipe
from tqd.store.scripts import sha
from tqd.store.worker_store import WorkerStore
from tqd.system.crash import Fuse, Hook, Hooks, Moment, install
from tqd.system.fork import ChildPipes
from tqd.task.outcome import Released
from tqd.wire.messages import WorkerGone
from tqd.worker import lanes
from tqd.worker.executor import Executor

_CLAIM = sha("claim").encode()
_SETTLE = tuple(sha(name).encode() for name in ("complete", "finish", "retry", "release", "park", "bury"))


def _asks(arguments: tuple[Any, ...], result: Any) -> bool:
    return bool(arguments[2] > 0)


def _brought(arguments: tuple[Any, ...], result: Any) -> bool:
    return result.claimed is not None and bool(result.claimed.claims)


def _settles(arguments: tuple[Any, ...], result: Any) -> bool:
    return len(arguments[1]) > 0


def _claim_sent(arguments: tuple[Any, ...], result: Any) -> bool:
    return _CLAIM in arguments[1]


def _settlement_sent(arguments: tuple[Any, ...], result: Any) -> bool:
    return any(script in arguments[1] for script in _SETTLE)


def _rang(arguments: tuple[Any, ...], result: Any) -> bool:
    return result is True


def _ended(arguments: tuple[Any, ...], result: Any) -> bool:
    return not isinstance(arguments[2], Released)


def _of_a_death(arguments: tuple[Any, ...], result: Any) -> bool:
    return isinstance(arguments[1], WorkerGone)


def _fences(arguments: tuple[Any, ...], result: Any) -> bool:
    return len(arguments[2]) > 0


def _forgets(arguments: tuple[Any, ...], result: Any) -> bool:
    return bool(arguments[1][0] == "SREM")


WORKER: Hooks = {
    "before-claim": (Hook(WorkerStore, "exchange", Moment.BEFORE, _asks),),
    "after-claim-sent": (Hook(RedisPipe, "send", Moment.SENT, _claim_sent),),
    "after-claim": (Hook(WorkerStore, "exchange", Moment.AFTER, _brought),),
    "after-bell": (Hook(WorkerStore, "wait_for_bell", Moment.AFTER, _rang),),
    "before-task": (Hook(Executor, "_run", Moment.BEFORE), Hook(lanes, "_call", Moment.BEFORE)),
    "after-first-line": (Hook(Executor, "_run", Moment.FIRST_LINE), Hook(lanes, "_call", Moment.FIRST_LINE)),
    "after-task": (Hook(Executor, "_done", Moment.BEFORE), Hook(Executor, "_end", Moment.BEFORE, _ended)),
    "before-settle": (Hook(WorkerStore, "exchange", Moment.BEFORE, _settles),),
    "after-settle-sent": (Hook(RedisPipe, "send", Moment.SENT, _settlement_sent),),
    "after-settle-reply": (Hook(WorkerStore, "exchange", Moment.AFTER, _settles),),
    "before-release": (Hook(Executor, "give_back", Moment.BEFORE),),
    "before-leave": (Hook(WorkerStore, "leave", Moment.BEFORE),),
    "after-leave": (Hook(WorkerStore, "leave", Moment.AFTER),),
}
KEEPER: Hooks = {
    "before-renew": (Hook(NodeStore, "renew", Moment.BEFORE),),
    "after-renew": (Hook(NodeStore, "renew", Moment.AFTER),),
    "before-fence": (Hook(Reaper, "worker_gone", Moment.BEFORE),),
    "after-fence": (Hook(NodeStore, "fence", Moment.AFTER, _fences),),
    "mid-reclaim": (Hook(Link, "call", Moment.BEFORE, _forgets),),
    "after-reclaim": (Hook(NodeStore, "reclaim", Moment.AFTER),),
    "after-settle-culprit": (Hook(NodeStore, "settle", Moment.AFTER),),
    "before-forget-node": (Hook(NodeStore, "forget_node", Moment.BEFORE),),
}
MASTER: Hooks = {
    "after-fork": (Hook(children, "spawn", Moment.AFTER),),
    "before-worker-gone": (Hook(children.Children, "_tell_keeper", Moment.BEFORE, _of_a_death),),
    "after-worker-gone": (Hook(children.Children, "_tell_keeper", Moment.AFTER, _of_a_death),),
}


def arm_master(burning: Fuse) -> None:
    """Arm the master; called before it forks, so that all its children share the fuse."""
    install(burning, MASTER)


def armed(burning: Fuse, role: Role, main: ChildMain) -> ChildMain:
    """Return a child's main that arms its process first."""
    hooks = WORKER if role is Role.WORKER else KEEPER

    def run(pipes: ChildPipes) -> int:
        install(burning, hooks)
        return main(pipes)

    return run
