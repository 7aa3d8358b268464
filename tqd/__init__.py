"""tqd: a task queue for Python on Redis, shaped as a daemon."""

from tqd.client.handle import AsyncTaskHandle, TaskHandle
from tqd.client.task_class import Task
from tqd.client.task_function import Call
from tqd.client.task_queue import TaskQueue
from tqd.errors import (
    BootError,
    ConfigError,
    Malformed,
    NoResult,
    RegistrationError,
    ResultTimeout,
    StoreError,
    StoreFull,
    StoreMismatch,
    StoreUnavailable,
    TaskError,
    TaskFailed,
    TqdError,
    Unserialisable,
    UnsupportedVersion,
    WireError,
)
from tqd.task.context import Context
from tqd.task.model import TaskState, queues

__all__ = [
    "AsyncTaskHandle",
    "BootError",
    "Call",
    "ConfigError",
    "Context",
    "Malformed",
    "NoResult",
    "RegistrationError",
    "ResultTimeout",
    "StoreError",
    "StoreFull",
    "StoreMismatch",
    "StoreUnavailable",
    "Task",
    "TaskError",
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
