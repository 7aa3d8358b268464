"""Everything that a run consists of, and each fault as something that is done to it.

A fault returns how long it took until work went on as before, in s: for a death, until all that the dead
had in hand had begun again (or has ended after all); for a keeper, until there is one; for Redis, from its
answer to the next task that began. None: nothing was in hand.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Set
from contextlib import ExitStack
from types import TracebackType

from tests.chaos.account import SETTLING_S, Cause, in_hand
from tests.chaos.host import Host, gone, send
from tests.chaos.plan import Fault, lease_s
from tests.chaos.producers import Producers
from tests.chaos.proxy import SlowProxy
from tests.chaos.scene import APP, Scene
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd.clock import monotonic

FLAGS = ("-w", "2", "-C", "16")
HUNG_AFTER_S = 2.0
GRACE_S = 5.0
"""The orphan grace (3 s), and what may come after it."""

KILLED_S = 1.0
"""A process whose signal is on its way may still begin something."""

TOLD_S = 3.0
"""A node that was away is judged within a third of a lease, or renews before; its workers are told so by the
answer to their next claim."""

DEADLINE_S = 60.0

TROUBLE = ("redis_kill", "redis_pause", "client_kill", "latency", "half_open")
"""Kinds that cut or block a worker's way to Redis: what has ended meanwhile is settled later."""

RECONNECT_S = 5.0
"""How long a worker may take to be back when Redis answers again: the promise."""


class World:
    """One Redis that writes everything to disk, two daemons (the second over a proxy), two producers."""

    def __init__(self, server: RedisServer, seed: int) -> None:
        self.server = server
        self.scene = Scene(server)
        self.causes: list[Cause] = []
        self.lease_s = lease_s(seed)
        self.proxy = SlowProxy(server.socket)
        self._seed = seed
        self._stack = ExitStack()
        self._trouble_s = 0.0
        self._calm_s = 0.0
        self.hosts: list[Host] = []
        self.struck: list[str] = []

    def __enter__(self) -> World:
        with ExitStack() as stack:
            stack.callback(self.scene.close)
            stack.enter_context(self.proxy)
            self.hosts = [stack.enter_context(self._host(url)) for url in (self.server.url, self.proxy.url)]
            for host in self.hosts:
                host.up()
            self.producers = Producers(self.server.url, self.proxy.url, self._seed)
            self._stack = stack.pop_all()
        self.producers.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.server.running:
                self.server.resume()
            for host in self.hosts:
                host.send_all(signal.SIGCONT)
        finally:
            self._stack.__exit__(kind, error, trace)

    def strike(self, fault: Fault) -> float | None:
        """Let one fault happen, and wait until it is over."""
        time.sleep(fault.pause_s)
        self.producers.check()
        if monotonic() > self._calm_s:
            self._trouble_s = 0.0
        self.struck.append(f"{monotonic():.3f} {fault}")
        strike: Callable[[Fault], float | None] = getattr(self, f"_{fault.kind}")
        took_s = strike(fault)
        if fault.kind in TROUBLE:
            self._calm_s = monotonic() + RECONNECT_S
        return took_s

    # -- processes -------------------------------------------------------------------------------

    def _worker_kill(self, fault: Fault) -> float | None:
        host, pid = self._worker(fault)
        now = monotonic()
        send(pid, signal.SIGKILL)
        self._cause("worker killed", {pid}, now)
        self._meanwhile(fault)
        took_s = self._again({pid}, now)
        host.whole()
        return took_s

    def _worker_pause(self, fault: Fault) -> float | None:
        host, pid = self._worker(fault)
        send(pid, signal.SIGSTOP)
        self._meanwhile(fault, {pid})
        time.sleep(fault.hold_s)
        send(pid, signal.SIGCONT)
        took_s = self._goes_on(monotonic(), lambda pid: pid in host.family())
        host.whole()
        return took_s

    def _worker_stop(self, fault: Fault) -> float | None:
        host, pid = self._worker(fault)
        now = monotonic()
        send(pid, signal.SIGSTOP)
        gone({pid})
        dead_s = monotonic()
        self._cause("worker stopped", {pid}, now, dead_s)
        took_s = self._again({pid}, now)
        host.whole()
        return took_s

    def _keeper_kill(self, fault: Fault) -> float:
        host = self.hosts[fault.daemon]
        keeper, now = host.keeper, monotonic()
        assert keeper is not None
        send(keeper, signal.SIGKILL)
        self._meanwhile(fault)
        host.whole()
        until(lambda: host.keeper not in (None, keeper), "there is another keeper", DEADLINE_S)
        return monotonic() - now

    def _keeper_pause(self, fault: Fault) -> float:
        host = self.hosts[fault.daemon]
        keeper = host.keeper
        assert keeper is not None
        send(keeper, signal.SIGSTOP)
        time.sleep(fault.hold_s)
        send(keeper, signal.SIGCONT)
        now = monotonic()
        host.whole()
        return monotonic() - now

    def _master_kill(self, fault: Fault) -> float | None:
        host = self.hosts[fault.daemon]
        family, now = set(host.family()), monotonic()
        send(host.main, signal.SIGKILL)
        self._cause("master killed", family, now, now + GRACE_S)
        assert host.process is not None
        host.process.wait()
        host.up()
        took_s = self._again(family, now)
        host.whole()
        return took_s

    def _daemon_kill(self, fault: Fault) -> float | None:
        host = self.hosts[fault.daemon]
        now = monotonic()
        pids = host.send_all(signal.SIGKILL)
        self._cause("daemon killed", pids, now)
        assert host.process is not None
        host.process.wait()
        took_s = self._again(pids, now)  # the other daemon does it
        host.up()
        return took_s

    def _daemon_stop(self, fault: Fault) -> float | None:
        host = self.hosts[fault.daemon]
        now = monotonic()
        pids = host.send_all(signal.SIGSTOP)
        held = in_hand(self.scene.lines(), pids, now)
        time.sleep(fault.hold_s)
        until(lambda: self._began_elsewhere(held, pids, now).keys() >= held, "another took over", DEADLINE_S)
        took_s = self._longest(self._began_elsewhere(held, pids, now), now)
        for pid in pids:
            send(pid, signal.SIGCONT)
        host.whole()
        # Its workers go on with what is others', and begin what they had just claimed, until they are told.
        self._cause("daemon stopped", pids, now, monotonic() + TOLD_S)
        return took_s

    # -- Redis and the way to it -----------------------------------------------------------------

    def _redis_kill(self, fault: Fault) -> float:
        self._trouble()
        self.server.kill()
        self._meanwhile(fault)
        time.sleep(fault.hold_s)
        self.server.start()
        return self._goes_on(monotonic())

    def _redis_pause(self, fault: Fault) -> float:
        self._trouble()
        self.server.pause()
        self._meanwhile(fault)
        time.sleep(fault.hold_s)
        self.server.resume()
        return self._goes_on(monotonic())

    def _client_kill(self, fault: Fault) -> float:
        now = monotonic()
        self._trouble()
        self.server.client.client_kill_filter(_type="normal", skipme=True)
        self._meanwhile(fault)
        return self._goes_on(now)

    def _latency(self, fault: Fault) -> float:
        self._trouble()
        self.proxy.delay_s = 0.15 * fault.amount
        self._meanwhile(fault)
        time.sleep(fault.hold_s)
        self.proxy.delay_s = 0.0
        return self._goes_on(monotonic(), lambda pid: pid in self.hosts[1].family())

    def _half_open(self, fault: Fault) -> float:
        host, now = self.hosts[1], monotonic()
        self._trouble()
        self.proxy.silent = True
        time.sleep(fault.hold_s)
        self.proxy.silent = False
        self.proxy.cut()  # what was silent for so long is of no use any more
        healed_s = monotonic()
        family = set(host.family())
        host.whole()
        took_s = self._goes_on(healed_s, lambda pid: pid in host.family())
        if fault.hold_s > self.lease_s / 2:
            self._cause("daemon cut off", family, now, monotonic() + TOLD_S)
        return took_s

    def _redis_full(self, fault: Fault) -> float:
        client = self.server.client
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]))
        self._meanwhile(fault)
        full_s = monotonic()
        time.sleep(fault.hold_s)
        # Consumers go on, although nothing can be added.
        until(lambda: self._ended_since(full_s), "tasks end although Redis is full", DEADLINE_S)
        client.config_set("maxmemory", 0)
        now = monotonic()
        until(lambda: self.producers.ledgers[0].last_s > now, "producers go on", DEADLINE_S)
        return self.producers.ledgers[0].last_s - now

    # -- what they share -------------------------------------------------------------------------

    def _host(self, url: str) -> Host:
        settings = {"TQD_NODE__LEASE": f"{self.lease_s:g}", "TQD_WORKERS__HUNG_AFTER": f"{HUNG_AFTER_S:g}"}
        host = Host(url, JOURNAL=str(self.scene.journal), **settings)
        host.target, host.flags = APP, FLAGS
        return host

    def _worker(self, fault: Fault) -> tuple[Host, int]:
        """Return the worker that is hit: one with something in hand, if there is one."""
        host = self.hosts[fault.daemon]

        def busy() -> list[int]:
            now = monotonic()
            return [pid for pid in host.serving() if in_hand(self.scene.lines(), {pid}, now)]

        return host, until(busy, f"a worker of {host.status()} is busy", DEADLINE_S)[0]

    def _meanwhile(self, fault: Fault, spared: Set[int] = frozenset()) -> None:
        """Let the fault on top happen; nobody waits for its end."""
        if fault.on_top == "client_kill":
            if self.server.running and fault.kind != "redis_pause":
                self._trouble()
                self._calm_s = monotonic() + RECONNECT_S
                self.server.client.client_kill_filter(_type="normal", skipme=True)
        elif fault.on_top == "keeper_kill":
            keeper = self.hosts[fault.daemon].keeper
            if keeper is not None:
                send(keeper, signal.SIGKILL)
        elif fault.on_top == "worker_kill":
            others = [pid for pid in self.hosts[fault.daemon].serving() if pid not in spared]
            for pid in others[:1]:
                now = monotonic()
                send(pid, signal.SIGKILL)
                self._cause("worker killed", {pid}, now)

    def _trouble(self) -> None:
        """Note that the way to Redis is troubled from now on, if it is not already."""
        self._trouble_s = self._trouble_s or monotonic()

    def _cause(self, why: str, pids: Set[int], since_s: float, until_s: float | None = None) -> None:
        # While Redis or the way to it is in trouble, what has ended is not settled at once.
        unsettled_s = since_s - self._trouble_s if self._trouble_s else 0.0
        # What is killed begins nothing any more, but the clock was read before the kill.
        end_s = monotonic() + KILLED_S if until_s is None else until_s
        self.causes.append(Cause(why, since_s, end_s, set(pids), SETTLING_S + unsettled_s))

    def _goes_on(self, since_s: float, ours: Callable[[int], bool] = lambda pid: True) -> float:
        """Return how long it took until a task began (in one of our processes)."""

        def first() -> list[float]:
            lines = self.scene.lines()
            return [
                line.at_s for line in lines[-5000:]
                if line.word == "began" and line.at_s > since_s and ours(line.pid)
            ]  # fmt: skip

        return min(until(first, "work goes on", DEADLINE_S)) - since_s

    def _again(self, pids: Set[int], since_s: float) -> float | None:
        """Return how long it took until all that these processes had in hand had begun again, or ended."""
        held = in_hand(self.scene.lines(), pids, since_s)

        def going() -> dict[int, float]:
            return self._began_elsewhere(held, pids, since_s)

        until(lambda: going().keys() >= held, f"the tasks of {pids} run again: {held}", DEADLINE_S)
        return self._longest(going(), since_s)

    def _began_elsewhere(self, held: Set[int], pids: Set[int], since_s: float) -> dict[int, float]:
        found: dict[int, float] = {}
        for line in self.scene.lines():
            if line.number in held and line.at_s > since_s and (line.word != "began") == (line.pid in pids):
                found.setdefault(line.number, line.at_s)
        return found

    def _ended_since(self, since_s: float) -> bool:
        return any(line.word == "ended" and line.at_s > since_s for line in self.scene.lines()[-2000:])

    def _longest(self, at_s: dict[int, float], since_s: float) -> float | None:
        return max(at_s.values()) - since_s if at_s else None
