"""`tqd check`: import the app as a worker would, and say what a start would run."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Iterator

from tqd.app import Handler
from tqd.cli.main import given
from tqd.config.load import load
from tqd.config.redact import redacted
from tqd.system import exits
from tqd.system.usage import cores
from tqd.worker.loading import load_app


def run(options: argparse.Namespace) -> int:
    """Check configuration and app; 0 when a start would find both in order, 78 when not."""
    config = load(options.config, os.environ, given(options), cores())
    queue = load_app(config.tasks.app, config.tasks.modules, os.getcwd())
    explicit = config.explicit("redis.url")
    url = redacted(config.redis.url if explicit else queue.endpoint.url)
    handlers = sorted(queue.registry, key=lambda handler: handler.name)
    schedules = sorted(queue.registry.schedules(), key=lambda entry: entry.name)
    warnings = [*config.warnings, *_unserved(handlers, config.queues.names)]
    if options.json:
        rows = [
            {
                "name": handler.name,
                "kind": "async" if handler.asynchronous else "thread",
                "queue": handler.options.queue,
                "max_retries": handler.options.max_retries,
                "timeout_s": handler.options.timeout_s,
            }
            for handler in handlers
        ]
        times = [
            {"name": entry.name, "task": entry.task, "spec": entry.spec, "tz": entry.tz}
            for entry in schedules
        ]
        found = {
            "app": config.tasks.app,
            "redis_url": url,
            "tasks": rows,
            "schedules": times,
            "warnings": warnings,
        }
        print(json.dumps(found, indent=2))
        return exits.OK
    print(
        f"{config.tasks.app}: {len(handlers)} tasks, {config.workers.initial_count} workers, Redis at {url}"
    )
    for handler in handlers:
        kind = "async" if handler.asynchronous else "thread"
        how = handler.options
        limits = f"queue {how.queue}, {how.max_retries} retries, timeout {how.timeout_s:g} s"
        print(f"  {handler.name}  ({kind}, {limits})")
    for entry in schedules:
        print(f"  {entry.name}  (schedule of {entry.task}: {entry.spec}, {entry.tz})")
    for warning in warnings:
        print(f"  warning: {warning}")
    return exits.OK


def _unserved(handlers: Iterable[Handler], served: Iterable[str]) -> Iterator[str]:
    strays = sorted({str(handler.options.queue) for handler in handlers} - set(served))
    if strays:
        rest = "add it to queues.names, or run a daemon for it"
        yield f"nobody here serves {', '.join(strays)}: {rest}"
