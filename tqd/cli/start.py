"""`tqd start`: put the daemon together and run it."""

from __future__ import annotations

import argparse
import functools
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tqd import log
from tqd.cli.main import code_of, given, version
from tqd.clock import monotonic
from tqd.config.diff import Change, diff, effective
from tqd.config.load import load
from tqd.config.model import Config
from tqd.config.redact import redacted
from tqd.config.secret import check_tls_files, read_password, read_signing_keys
from tqd.errors import BootError, TqdError
from tqd.keeper.main import KeeperSpec, keeper_main
from tqd.master.events import Role
from tqd.master.launch import ChildMain, ChildMains, Launch
from tqd.master.plan import FleetPlan, Limits
from tqd.master.shell import Master
from tqd.master.status import Identity
from tqd.system import crash, exits
from tqd.system.background import run_in_background
from tqd.system.embedded import EmbeddedServer, prepare, server_main
from tqd.system.fork import ChildPipes, freeze
from tqd.system.output import log_to_stderr
from tqd.system.process import host_key, start_ticks, working_directory
from tqd.system.runtime import Pidfile, RuntimeDirectory, choose
from tqd.system.usage import cores
from tqd.task.names import NodeName, host_digest
from tqd.worker.main import WorkerSpec, worker_main

Arm = Callable[[Role, ChildMain], ChildMain]
"""Makes a child's main one that ends at a crash point, or leaves it as it is."""

KEEPER_HUNG_LEAST_S = 3.0
"""However short the lease is, a keeper that beats each second may be late by so much on a busy machine."""

FEWEST_STARTS = 8
"""Workers that may be on their way at a time; or two for each processor, as an import keeps one busy."""

_MB = 1_048_576


def run(options: argparse.Namespace) -> int:
    """Start the daemon; returns when it has ended, or with -d when it is ready."""
    sources = Sources(options.config, dict(os.environ), given(options), working_directory(os.environ))
    config = sources.read()
    if not config.tasks.app:
        raise BootError("no app is named: the daemon needs one to know the tasks; pass --app module:attr")
    directory = choose(config.daemon.runtime_dir, os.environ)
    directory.make()
    if options.detach:
        return _detached(sources, config, directory)
    code, text = serve(sources, config, directory, lambda: None)
    return _tell(code, text)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the configuration comes from, at the start and at each reload; and the start's directory."""

    path: str | None
    environ: Mapping[str, str]
    flags: Mapping[str, object]
    directory: str

    def read(self) -> Config:
        """Return the configuration as it is now; raises ConfigError."""
        return load(self.path, self.environ, self.flags, cores())


def serve(
    sources: Sources,
    config: Config,
    directory: RuntimeDirectory,
    on_ready: Callable[[], None],
    log_path: str = "",
) -> tuple[int, str]:
    """Be the daemon; returns its exit code and, when that is not 0, the reason."""
    log_to_stderr(config.logging.level, config.logging.format)
    _warn(config)
    arm = _arms(sources.environ)
    pidfile = Pidfile(directory.pidfile)
    pidfile.hold(os.getpid(), start_ticks(os.getpid()) or 0)
    server = None
    if config.redis.embedded:
        server = prepare(directory.redis_socket, config.redis.data_dir or directory.redis_data)
        log.Log(role="master").info(
            "embedded redis", binary=server.binary, origin=server.origin, data=server.data
        )
    node = NodeName(node_name(config), host_digest(host_key()), os.urandom(4).hex())
    builder = Builder(sources, node, server, directory, read_password(config, sources.environ), arm)
    who = Identity(
        pid=os.getpid(),
        node=str(node),
        version=version(),
        runtime_dir=directory.path,
        app=config.tasks.app,
        redis_url=redacted(server.url if server else config.redis.url),
    )
    freeze()
    launch = builder.launch(config)
    master = Master(
        launch, builder.relaunch, who, directory.control_socket, on_ready, sources.environ, log_path
    )
    return master.run()


class Builder:
    """Makes what a generation is started from; `relaunch` reads the configuration anew for the next one."""

    def __init__(
        self,
        sources: Sources,
        node: NodeName,
        server: EmbeddedServer | None,
        directory: RuntimeDirectory,
        password: str,
        arm: Arm,
    ) -> None:
        self._sources = sources
        self._node = node
        self._server = server
        self._directory = directory
        self._password = password
        self._arm = arm

    def relaunch(self, current: Launch) -> tuple[Launch, tuple[Change, ...]]:
        """Return the next launch, and what has changed since the current one; raises ConfigError."""
        new = self._sources.read()
        _warn(new)
        changes = diff(current.config, new)
        return self.launch(effective(current.config, new)), changes

    def launch(self, config: Config) -> Launch:
        """Return what children are started from by this configuration."""
        keys = read_signing_keys(config, self._sources.environ)
        mains = self._mains(config, keys)
        return Launch(config=config, plan=fleet_plan(config), mains=mains, signing_keys=keys)

    def _mains(self, config: Config, signing_keys: tuple[bytes, ...]) -> ChildMains:
        server, launched = self._server, monotonic()
        used = config
        check_tls_files(config)
        if server is not None:
            used = replace(config, redis=replace(config.redis, url=server.url))

        def worker(label: str, patience_s: float, quiet: bool, *, probe: bool = False) -> ChildMain:
            spec = WorkerSpec(
                config=used, node=str(self._node), label=label, directory=self._app_directory(config),
                patience_s=patience_s, password=self._password, signing_keys=signing_keys, launched=launched,
                probe=probe, quiet=quiet,
            )  # fmt: skip
            return _logged(config, self._arm(Role.WORKER, functools.partial(worker_main, spec)))

        def keeper(url: str, namespace: str) -> ChildMain:
            spec = KeeperSpec(
                config=used,
                node=self._node,
                url=url or used.redis.url,
                namespace=namespace or config.redis.namespace,
                password=self._password,
                signing_keys=signing_keys,
            )
            return _logged(config, self._arm(Role.KEEPER, functools.partial(keeper_main, spec)))

        path = os.path.join(self._directory.path, "redis.log")
        return ChildMains(
            worker=worker,
            probe=functools.partial(worker, probe=True),
            keeper=keeper,
            redis=None if server is None else server_main(server, path),
        )

    def _app_directory(self, config: Config) -> str:
        # Joined, not resolved: a link that a deploy switches is followed anew by each worker.
        return os.path.join(self._sources.directory, config.tasks.directory).rstrip("/") or "/"


def fleet_plan(config: Config) -> FleetPlan:
    """Return what the fleet shall be by a configuration."""
    workers = config.workers
    return FleetPlan(
        workers=workers.initial_count,
        embedded_redis=config.redis.embedded,
        grace_s=workers.shutdown_grace_period,
        prefix=workers.prefix,
        boot_timeout_s=workers.boot_timeout,
        hung_after_s=workers.hung_after,
        keeper_hung_after_s=max(KEEPER_HUNG_LEAST_S, config.node.lease / 3),
        starts=max(FEWEST_STARTS, 2 * cores()),
        limits=Limits(
            max_tasks=workers.max_tasks_per_child,
            max_age_s=workers.max_age,
            max_rss_bytes=round(workers.max_rss_mb * _MB),
            max_pss_bytes=round(workers.max_pss_mb * _MB),
        ),
    )


def _warn(config: Config) -> None:
    for text in config.warnings:
        log.Log(role="master").warning("a setting stands elsewhere", text=text)


def _logged(config: Config, main: ChildMain) -> ChildMain:
    """Return a child's main that logs by its own generation's settings."""

    def run(pipes: ChildPipes) -> int:
        log_to_stderr(config.logging.level, config.logging.format)
        return main(pipes)

    return run


def _arms(environ: Mapping[str, str]) -> Arm:
    """Arm the master and say how children are armed, if the environment asks for a crash."""
    text = environ.get(crash.VARIABLE)
    if not text:
        return lambda role, main: main
    from tqd.cli import crash_hooks

    fuse = crash.fuse(text)
    crash_hooks.arm_master(fuse)
    return functools.partial(crash_hooks.armed, fuse)


def node_name(config: Config) -> str:
    """Return the daemon's name: the configured one, or the host's with the runtime directory's mark,
    as several daemons may live on a host."""
    if config.node.name:
        return config.node.name
    directory = choose(config.daemon.runtime_dir, os.environ).path
    host = "".join(c if c.isalnum() or c in "_.-" else "-" for c in socket.gethostname())
    return f"{host}-{host_digest(directory)[:6]}"


def _detached(sources: Sources, config: Config, directory: RuntimeDirectory) -> int:
    def daemon(ready: Callable[[], None]) -> tuple[int, str]:
        try:
            return serve(sources, config, directory, ready, directory.log)
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
