"""A real worker process, forked from the test's own, with the test as its master.

The app is a module that the test writes into the working directory of the worker.
"""

from __future__ import annotations

import functools
import itertools
import sys
import textwrap
from pathlib import Path
from typing import Any

from tests.support.forked import Forked
from tests.support.worker import NAMESPACE, NODE, configured
from tqd import log
from tqd.client.task_queue import TaskQueue
from tqd.system.fork import ChildPipes
from tqd.wire.messages import Ready
from tqd.worker.main import WorkerSpec, worker_main

HEAD = """
    import asyncio, os, re, threading, time
    from tqd import Context, TaskQueue
    tq = TaskQueue()
"""
_names = (f"shop_{number}" for number in itertools.count())


class App:
    """A module with tasks, and its producer. Tasks are declared under their function's name."""

    def __init__(self, directory: Path, url: str, source: str) -> None:
        self.directory = directory
        self.url = url
        self.name = next(_names)
        self.file = directory / f"{self.name}.py"
        self.file.write_text(textwrap.dedent(HEAD) + textwrap.dedent(source))
        self.queue = TaskQueue(url, namespace=NAMESPACE)

    def enqueue(self, task: str, *arguments: Any, **options: Any) -> bytes:
        """Enqueue a task by its function's name; returns its id."""
        return self.queue.named(f"{self.name}.{task}").using(**options).enqueue(*arguments).identity

    def line_of(self, text: str) -> int:
        """Return the number of the only line that contains a text."""
        (number,) = [n for n, line in enumerate(self.file.read_text().splitlines(), 1) if text in line]
        return number

    def worker(self, slots: int = 4, **spec: Any) -> Forked:
        """Fork a worker; the spec's fields and the configuration's sections may be given."""
        fields: dict[str, Any] = {
            key: spec.pop(key) for key in ("patience_s", "password", "directory", "probe") if key in spec
        }
        workers = {"max_concurrent_tasks": slots} | spec.pop("workers", {})
        config = configured(self.url, workers=workers, tasks={"app": f"{self.name}:tq"}, **spec)
        fields = {"directory": str(self.directory)} | fields
        chosen = WorkerSpec(config=config, node=NODE, label="w1", **fields)
        return Forked(functools.partial(_main, chosen))

    def ready_worker(self, slots: int = 4, **spec: Any) -> Forked:
        """Fork a worker and wait until it is ready."""
        forked = self.worker(slots, **spec)
        forked.wait_for(Ready)
        return forked


def _main(spec: WorkerSpec, pipes: ChildPipes) -> int:
    # The test runner has put its own in its place, which is not where `reopen` writes.
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    log.configure("debug", "compact", sys.stderr)
    return worker_main(spec, pipes)
