"""Where a producer passes the crash points, see `tqd.system.crash`; armed only where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tqd.store.connection import SyncLink
from tqd.store.pipe import RedisPipe
from tqd.store.producer import Producer, SyncProducer
from tqd.store.scripts import sha
from tqd.system.crash import VARIABLE, Hook, Moment, fuse, install

_SCRIPTS = tuple(sha(name).encode() for name in ("enqueue", "schedule"))


def _stores(arguments: tuple[Any, ...], result: Any) -> bool:
    packed = next(part for part in arguments if isinstance(part, bytes))
    return any(script in packed for script in _SCRIPTS)


HOOKS: dict[str, tuple[Hook, ...]] = {
    "before-enqueue": tuple(Hook(kind, "store", Moment.BEFORE) for kind in (Producer, SyncProducer)),
    "after-enqueue-sent": (
        Hook(RedisPipe, "send", Moment.SENT, _stores),
        Hook(SyncLink, "_write", Moment.SENT, _stores),
    ),
    "after-enqueue-reply": tuple(Hook(kind, "store", Moment.AFTER) for kind in (Producer, SyncProducer)),
}


def arm_producer(environ: Mapping[str, str]) -> None:
    """Arm this process if the environment asks for it; raises ConfigError for an unknown point."""
    if text := environ.get(VARIABLE):
        install(fuse(text), HOOKS)
