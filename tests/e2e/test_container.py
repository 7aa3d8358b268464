"""`tqd start` as process 1 of a pid namespace, as in a container: no init around it, no terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from shutil import rmtree
from types import TracebackType

import pytest

from tests.support.daemon import ROOT
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue

LONG_S = 60.0
NAMESPACES = ["--pid", "--fork", "--kill-child", "--mount-proc"]
APP = """
import asyncio, os
from tqd import TaskQueue

tq = TaskQueue()

def write(line):
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(line + "\\n")

@tq.task(name="waits")
async def waits(line: str):
    write(line + ".started")
    while not os.path.exists(os.environ["JOURNAL"] + ".gate"):
        await asyncio.sleep(0.01)
    write(line + ".done")

@tq.task(name="orphans")
async def orphans(count: int):
    # Each shell leaves a child behind, which ends a little later as an orphan.
    for _ in range(count):
        shell = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.2 & echo $! >> $JOURNAL")
        await shell.wait()
    write("orphaned")
"""


class Container:
    """A daemon in namespaces of its own. Its pids are not ours: only the kernel's translation is used."""

    def __init__(self, redis_url: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="tqd-container-"))
        self.journal = self.directory / "journal"
        (self.directory / "shop.py").write_text(APP)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environ = kept | {
            "PYTHONPATH": str(ROOT),
            "JOURNAL": str(self.journal),
            "REDIS_URL": redis_url,
            "TQD_TASKS__APP": "shop:tq",
            "TQD_WORKERS__INITIAL_COUNT": "2",
            "TQD_DAEMON__RUNTIME_DIR": str(self.directory / "run"),
        }
        self.outer: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def start(self) -> Container:
        with open(self.directory / "log", "wb") as log:
            self.outer = subprocess.Popen(
                ["unshare", *NAMESPACES, sys.executable, "-m", "tqd", "start"],
                cwd=self.directory,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        until(self._healthy, "the daemon in the container is healthy", LONG_S)
        return self

    def status(self) -> int:
        """Return the exit code of `tqd status`, run inside as a container's health check is."""
        inside = ["nsenter", "--target", str(self.pid), "--pid", "--mount", f"--wd={self.directory}"]
        command = [*inside, sys.executable, "-m", "tqd", "status"]
        return subprocess.run(command, env=self.environ, capture_output=True, check=False).returncode

    def lines(self) -> list[str]:
        return self.journal.read_text().split() if self.journal.exists() else []

    def processes(self) -> dict[int, str]:
        """Return the state letters of all processes inside by the pids that they have there."""
        proc = Path(f"/proc/{self.pid}/root/proc")
        found = {}
        for name in os.listdir(proc):
            if name.isdigit():
                try:
                    found[int(name)] = (proc / name / "stat").read_text().rpartition(")")[2].split()[0]
                except OSError:
                    continue  # it ended meanwhile
        return found

    def wait(self) -> int:
        """Return the exit code of the daemon, which is that of the container."""
        assert self.outer is not None
        return self.outer.wait(LONG_S)

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.outer is not None:
            # Its death is that of process 1, and that of process 1 is that of all inside.
            self.outer.kill()
            self.outer.wait()
            print(self.log())
        rmtree(self.directory, ignore_errors=True)

    def _healthy(self) -> bool:
        assert self.outer is not None
        assert self.outer.poll() is None, f"it ended by itself:\n{self.log()}"
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        self.pid = int(children[0]) if children else 0
        return bool(self.pid) and (self.directory / "run" / "control.sock").exists() and self.status() == 0


@cache
def why_not() -> str:
    """Return why no namespaces can be made here; empty when they can."""
    try:
        done = subprocess.run(
            ["unshare", *NAMESPACES, "true"], capture_output=True, text=True, check=False, timeout=30
        )
    except FileNotFoundError:
        return "unshare is not installed"
    return "" if done.returncode == 0 else done.stderr.strip()


@pytest.fixture
def container(redis_server: RedisServer) -> Iterator[Container]:
    if reason := why_not():
        pytest.skip(f"no pid namespace can be made: {reason}")
    with Container(redis_server.url) as container:
        yield container.start()


@pytest.fixture
def producer(redis_server: RedisServer) -> Iterator[TaskQueue]:
    with TaskQueue(redis_server.url) as queue:
        yield queue


def test_term_drains_the_container_and_it_ends_with_0(container: Container, producer: TaskQueue) -> None:
    producer.enqueue("waits", "t")
    until(lambda: "t.started" in container.lines(), "the task runs", LONG_S)
    os.kill(container.pid, signal.SIGTERM)
    until(lambda: "stopping" in container.log(), "it is stopping", LONG_S)
    (container.directory / "journal.gate").touch()
    assert container.wait() == 0
    assert container.lines() == ["t.started", "t.done"]


def test_a_stop_when_idle_ends_with_0(container: Container) -> None:
    os.kill(container.pid, signal.SIGTERM)
    assert container.wait() == 0


def test_what_tasks_leave_behind_is_reaped(container: Container, producer: TaskQueue) -> None:
    producer.enqueue("orphans", 20)
    until(lambda: "orphaned" in container.lines(), "the task is done", LONG_S)
    orphans = {int(line) for line in container.lines() if line.isdigit()}
    assert len(orphans) == 20
    until(lambda: not orphans & set(container.processes()), f"none of {orphans} is there", LONG_S)
    assert "Z" not in container.processes().values()
    assert container.status() == 0


def test_its_processes_have_no_terminal_and_its_log_is_on_standard_error(container: Container) -> None:
    assert "ready" in container.log()
    for pid in container.processes():
        fields = Path(f"/proc/{container.pid}/root/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        assert fields[4] == "0", "field 7 of stat is the controlling terminal"
