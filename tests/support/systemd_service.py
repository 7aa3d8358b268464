"""tqd as a service of the systemd in a box: its unit, configuration and app, and a Redis with a password.

One `SystemdService` is one unit as an administrator would install it; `remove` makes the box as new again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import redis

from tests.support.installed_tree import ROOT
from tests.support.systemd_box import SystemdBox
from tests.support.wait import until

PASSWORD = "correct horse"
READY_S = 60.0
SYSTEM = "/etc/systemd/system"
REDIS_SOCKET = "/run/redis.sock"
REDIS = f"""
[Service]
ExecStart=/opt/redis/redis-server --bind 127.0.0.1 --port 6379 --requirepass "{PASSWORD}" --dir /run \\
    --unixsocket {REDIS_SOCKET} --unixsocketperm 777 --save ""
"""
APP = """
import asyncio, os, time
from tqd import TaskQueue

VERSION = "one"
tq = TaskQueue()
place = os.environ["STATE_DIRECTORY"] + "/"

def write(line):
    with open(place + "journal", "a") as file:
        file.write(line + "\\n")

@tq.task(name="note")
async def note(line: str):
    write(f"{line} {VERSION}")

@tq.task(name="waits")
async def waits(line: str):
    write(f"{line}.started {VERSION}")
    while not os.path.exists(place + "gate"):
        await asyncio.sleep(0.01)
    write(f"{line}.done {VERSION}")

@tq.task(name="sleeps")
async def sleeps(line: str, seconds: float):
    write(f"{line}.started {VERSION}")
    await asyncio.sleep(seconds)
    write(f"{line}.done {VERSION}")
"""
CONFIG = """
[redis]
url = "redis://127.0.0.1:6379"

[tasks]
app = "shop:tq"

[workers]
initial_count = 2
max_concurrent_tasks = 8

[daemon]
runtime_dir = "/run/tqd"
"""


class SystemdService:
    """The plain unit, or one instance of the template. Nothing is installed yet."""

    def __init__(self, box: SystemdBox, instance: str = "") -> None:
        self.box = box
        self.name = f"tqd-{instance}" if instance else "tqd"
        self.unit = f"tqd@{instance}.service" if instance else "tqd.service"
        self.source = "tqd@.service" if instance else "tqd.service"
        self.config = f"/etc/tqd/{instance or 'tqd'}.toml"
        self.state = f"/var/lib/private/{self.name}"
        self.password = f"/etc/credstore/{self.name}.redis-password"
        # Of the box's log only what comes from now on belongs to this service.
        self._seen = (
            box.run("journalctl", "--lines=1", "--show-cursor").stdout.rpartition("cursor: ")[2].strip()
        )

    # -- files -----------------------------------------------------------------------------------

    def install(self, app: str = APP, config: str = CONFIG) -> SystemdService:
        """Put the unit of this checkout, an app, a configuration and the password of Redis in place."""
        self.box.write(f"{SYSTEM}/{self.source}", (ROOT / "systemd" / self.source).read_text())
        self.box.write(self.password, PASSWORD + "\n", 0o600)
        self.deploy(app)
        self.configure(config)
        self.box.run("systemctl", "daemon-reload")
        return self

    def deploy(self, app: str) -> None:
        """Put the source of the app's module where the unit looks for it."""
        self.box.write("/opt/tqd/shop.py", textwrap.dedent(app))

    def configure(self, text: str) -> None:
        self.box.write(self.config, text)

    def change(self, text: str, name: str = "test.conf") -> None:
        """Add a drop-in for this unit."""
        self.box.write(f"{SYSTEM}/{self.unit}.d/{name}", textwrap.dedent(text))
        self.box.run("systemctl", "daemon-reload")

    def shipped(self, name: str) -> None:
        """Add a drop-in of this checkout for this unit."""
        self.change((ROOT / "systemd" / "drop-ins" / name).read_text(), name)

    def remove(self) -> None:
        """End the service, whatever state it is in, and remove what belongs to it."""
        self.box.run("systemctl", "kill", "--kill-whom=all", "--signal=KILL", self.unit, check=False)
        self.box.run("systemctl", "stop", self.unit, check=False)
        self.box.run("systemctl", "reset-failed", self.unit, check=False)
        places = [f"{SYSTEM}/{name}" for name in (self.unit, f"{self.unit}.d", self.source)]
        places += [f"/run/{self.name}", self.state, f"/var/lib/{self.name}"]
        self.box.run("rm", "-rf", *places, self.config, self.password, "/opt/tqd/shop.py")
        self.box.run("systemctl", "daemon-reload")

    # -- verbs -----------------------------------------------------------------------------------

    def systemctl(self, verb: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a verb of systemctl on this unit; with `check`, a failure shows the log."""
        done = self.box.run("systemctl", verb, self.unit, check=False)
        if check and done.returncode:
            raise AssertionError(f"systemctl {verb} {self.unit}: {done.stderr}\n{self.log()}")
        return done

    def start(self) -> SystemdService:
        self.systemctl("start")
        return self

    def show(self, name: str) -> str:
        """Return a property of the unit."""
        return self.box.run("systemctl", "show", "--value", "--property", name, self.unit).stdout.strip()

    @property
    def main_pid(self) -> int:
        return int(self.show("MainPID"))

    @property
    def restarts(self) -> int:
        return int(self.show("NRestarts"))

    def tqd(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of tqd as root in the box; the configuration says where the daemon is."""
        return self.box.run("/opt/tqd/bin/tqd", verb, "--config", self.config, *arguments, check=False)

    def status(self) -> dict[str, Any]:
        """Return what `tqd status --json` says, or a picture without processes."""
        try:
            answer: dict[str, Any] = json.loads(self.tqd("status", "--json").stdout)
        except ValueError:
            return {"state": "no answer", "workers": []}
        return {"workers": []} | answer

    def workers(self) -> dict[str, int]:
        """Return the pids of the ready workers by id, as seen in the box."""
        return {row["id"]: row["pid"] for row in self.status()["workers"] if row["state"] == "ready"}

    def kill(self, pid: int, signal: str = "KILL") -> None:
        self.box.run("sh", "-c", f"kill -s {signal} {pid}")

    def processes(self) -> list[int]:
        """Return the pids of all that runs in the unit's cgroup."""
        group = self.show("ControlGroup")
        if not group:
            return []
        listed = self.box.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs", check=False).stdout
        return sorted(int(word) for word in listed.split())

    # -- looking ---------------------------------------------------------------------------------

    def log(self) -> str:
        """Return what the unit and systemd about it wrote."""
        since = f"--after-cursor={self._seen}"
        return self.box.run("journalctl", "--no-pager", "-o", "cat", "-u", self.unit, since).stdout

    def lines(self) -> list[str]:
        """Return the lines of the tasks' journal."""
        journal = self.box.path(f"{self.state}/journal")
        return journal.read_text().splitlines() if journal.exists() else []

    def wrote(self, line: str, times: int = 1) -> None:
        """Wait until a line is in the tasks' journal so many times."""
        try:
            until(lambda: self.lines().count(line) >= times, f"{line!r} is in the journal", READY_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.lines()[-20:]}\n{self.log()}") from None

    def open_gate(self) -> None:
        """Let the tasks named `waits` end."""
        self.box.path(f"{self.state}/gate").touch()


def start_redis(box: SystemdBox, binary: Path) -> redis.Redis:
    """Run a server as a service of the box, which asks for a password, and return a client for it."""
    box.run("mkdir", "-p", "/opt/redis")
    shutil.copy(binary, box.path("/opt/redis/redis-server"))
    box.write(f"{SYSTEM}/redis-server.service", REDIS)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", "redis-server.service")
    client = redis.Redis(unix_socket_path=str(box.path(REDIS_SOCKET)), password=PASSWORD, socket_timeout=10)
    until(lambda: _answers(client), "Redis answers in the box", READY_S)
    return client


def redis_url(box: SystemdBox) -> str:
    """Return the URL of that server as seen from outside the box."""
    return f"unix://:{PASSWORD.replace(' ', '%20')}@{box.path(REDIS_SOCKET)}"


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
