"""tqd: a task queue for Python on Redis, shaped as a daemon.

The public names are loaded when they are first used: `tqd status` and `tqd stop` must not pay for the
Redis client that a TaskQueue needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqd.client.handle import AsyncTaskHandle, TaskHandle
    from tqd.client.task_class import Task
    from tqd.client.task_function import Call
    from tqd.client.task_queue import TaskQueue
    from tqd.errors import (
        AdmissionError,
        BootError,
        ConfigError,
        Discard,
        Malformed,
        NoResult,
        QueueFull,
        RegistrationError,
        ResultTimeout,
        Retry,
        StoreError,
        StoreFull,
        StoreMismatch,
        StoreUnavailable,
        TaskCancelled,
        TaskError,
        TaskExpired,
        TaskFailed,
        TqdError,
        Unserialisable,
        UnsupportedVersion,
        WireError,
    )
    from tqd.store.dead_letters import Swept
    from tqd.store.queues import Purged, QueueView
    from tqd.task.cancelling import CancelAnswer
    from tqd.task.context import Context
    from tqd.task.model import TaskState, queues
    from tqd.wire.dead_letter import DeadLetter

_HOMES = {
    "AdmissionError": "tqd.errors",
    "AsyncTaskHandle": "tqd.client.handle",
    "BootError": "tqd.errors",
    "Call": "tqd.client.task_function",
    "CancelAnswer": "tqd.task.cancelling",
    "ConfigError": "tqd.errors",
    "Context": "tqd.task.context",
    "DeadLetter": "tqd.wire.dead_letter",
    "Discard": "tqd.errors",
    "Malformed": "tqd.errors",
    "NoResult": "tqd.errors",
    "Purged": "tqd.store.queues",
    "QueueFull": "tqd.errors",
    "QueueView": "tqd.store.queues",
    "RegistrationError": "tqd.errors",
    "ResultTimeout": "tqd.errors",
    "Retry": "tqd.errors",
    "StoreError": "tqd.errors",
    "StoreFull": "tqd.errors",
    "StoreMismatch": "tqd.errors",
    "StoreUnavailable": "tqd.errors",
    "Swept": "tqd.store.dead_letters",
    "Task": "tqd.client.task_class",
    "TaskCancelled": "tqd.errors",
    "TaskError": "tqd.errors",
    "TaskExpired": "tqd.errors",
    "TaskFailed": "tqd.errors",
    "TaskHandle": "tqd.client.handle",
    "TaskQueue": "tqd.client.task_queue",
    "TaskState": "tqd.task.model",
    "TqdError": "tqd.errors",
    "Unserialisable": "tqd.errors",
    "UnsupportedVersion": "tqd.errors",
    "WireError": "tqd.errors",
    "queues": "tqd.task.model",
}

__all__ = [
    "AdmissionError",
    "AsyncTaskHandle",
    "BootError",
    "Call",
    "CancelAnswer",
    "ConfigError",
    "Context",
    "DeadLetter",
    "Discard",
    "Malformed",
    "NoResult",
    "Purged",
    "QueueFull",
    "QueueView",
    "RegistrationError",
    "ResultTimeout",
    "Retry",
    "StoreError",
    "StoreFull",
    "StoreMismatch",
    "StoreUnavailable",
    "Swept",
    "Task",
    "TaskCancelled",
    "TaskError",
    "TaskExpired",
    "TaskFailed",
    "TaskHandle",
    "TaskQueue",
    "TaskState",
    "TqdError",
    "Unserialisable",
    "UnsupportedVersion",
    "WireError",
    "queues",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'tqd' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
