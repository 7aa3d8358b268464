"""`tqd start`: put the daemon together and run it."""

from __future__ import annotations

import argparse
import functools
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace

from tqd import log
from tqd.cli.main import code_of, given, version
from tqd.config.load import load
from tqd.config.model import Config
from tqd.config.redact import redacted
from tqd.errors import BootError, TqdError
from tqd.keeper.main import KeeperSpec, keeper_main
from tqd.master.fleet import FleetPlan
from tqd.master.shell import ChildMain, ChildMains, Master
from tqd.master.status import Identity
from tqd.system import exits
from tqd.system.background import run_in_background
from tqd.system.embedded import EmbeddedServer, prepare, server_main
from tqd.system.fork import freeze
from tqd.system.process import host_key, start_ticks
from tqd.system.runtime import Pidfile, RuntimeDirectory, choose
from tqd.system.usage import cores
from tqd.task.names import NodeName, host_digest
from tqd.worker.main import WorkerSpec, worker_main


def run(options: argparse.Namespace) -> int:
    """Start the daemon; returns when it has ended, or with -d when it is ready."""
    config = load(options.config, os.environ, given(options), cores())
    if not config.tasks.app:
        raise BootError("no app is named: the daemon needs one to know the tasks; pass --app module:attr")
    directory = choose(config.daemon.runtime_dir, os.environ)
    directory.make()
    if options.detach:
        return _detached(config, directory)
    code, text = serve(config, directory, lambda: None)
    return _tell(code, text)


def serve(config: Config, directory: RuntimeDirectory, on_ready: Callable[[], None]) -> tuple[int, str]:
    """Be the daemon; returns its exit code and, when that is not 0, the reason."""
    log.configure(config.logging.level, config.logging.format, sys.stderr)
    pidfile = Pidfile(directory.pidfile)
    pidfile.hold(os.getpid(), start_ticks(os.getpid()) or 0)
    server = None
    if config.redis.embedded:
        server = prepare(directory.redis_socket, config.redis.data_dir or directory.redis_data)
        config = replace(config, redis=replace(config.redis, url=server.url))
        log.Log(role="master").info(
            "embedded redis", binary=server.binary, origin=server.origin, data=server.data
        )
    node = NodeName(node_name(config), host_digest(host_key()), os.urandom(4).hex())
    plan = FleetPlan(
        workers=tuple(f"{config.workers.prefix}-{n}" for n in range(1, config.workers.initial_count + 1)),
        embedded_redis=server is not None,
        grace_s=config.workers.shutdown_grace_period,
    )
    who = Identity(
        pid=os.getpid(),
        node=str(node),
        version=version(),
        runtime_dir=directory.path,
        app=config.tasks.app,
        redis_url=redacted(config.redis.url),
        queues=config.queues.names,
    )
    freeze()
    master = Master(
        plan, mains(config, node, server, directory), who, directory.control_socket, on_ready, os.environ
    )
    return master.run()


def mains(
    config: Config, node: NodeName, server: EmbeddedServer | None, directory: RuntimeDirectory
) -> ChildMains:
    """Return what the children do."""

    def worker(label: str) -> ChildMain:
        spec = WorkerSpec(config=config, node=str(node), label=label, directory=os.getcwd())
        return functools.partial(worker_main, spec)

    def keeper(url: str, namespace: str) -> ChildMain:
        spec = KeeperSpec(
            config=config,
            node=node,
            url=url or config.redis.url,
            namespace=namespace or config.redis.namespace,
        )
        return functools.partial(keeper_main, spec)

    redis = None if server is None else server_main(server, os.path.join(directory.path, "redis.log"))
    return ChildMains(worker=worker, keeper=keeper, redis=redis)


def node_name(config: Config) -> str:
    """Return the daemon's name: the configured one, or the host's with the runtime directory's mark,
    as several daemons may live on a host."""
    if config.node.name:
        return config.node.name
    directory = choose(config.daemon.runtime_dir, os.environ).path
    host = "".join(c if c.isalnum() or c in "_.-" else "-" for c in socket.gethostname())
    return f"{host}-{host_digest(directory)[:6]}"


def _detached(config: Config, directory: RuntimeDirectory) -> int:
    def daemon(ready: Callable[[], None]) -> tuple[int, str]:
        try:
            return serve(config, directory, ready)
        except TqdError as error:
            return code_of(error), str(error)

    code, text, pid = run_in_background(daemon, directory.log)
    if code == 0:
        print(f"tqd is ready (pid {pid}); it logs to {directory.log}")
        return exits.OK
    return _tell(code, text)


def _tell(code: int, text: str) -> int:
    if text:
        print(f"tqd: {text}", file=sys.stderr)
    return code
