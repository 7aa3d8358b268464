"""The machine's own systemd as PID 1 of a box: a throw-away root over the machine's, with namespaces, a
cgroup and a loopback network of its own. Nothing outside it changes, and nothing of it stays.

It needs root, unshare, overlayfs and a writable cgroup2; `why_not` says what is missing. Inside, /run, /tmp
and /etc/systemd/system are new and empty, of the machine's units only those are there that a boot needs, and
everything else is seen as it is on the machine. From outside, `path` reaches every file and socket inside.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from types import TracebackType

from tests.support.wait import until

SCRIPT = Path(__file__).with_suffix(".sh")
MANAGER = Path("/lib/systemd/systemd")
UNITS = (
    "basic.target", "sysinit.target", "shutdown.target", "sockets.target", "paths.target", "timers.target",
    "multi-user.target", "network.target", "network-online.target", "nss-lookup.target", "slices.target",
    "systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket",
)  # fmt: skip
TARGET = """
[Unit]
Requires=basic.target systemd-journald.service
After=basic.target systemd-journald.service
"""
NAMESPACES = ("--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net")
PROGRAMS = ("unshare", "nsenter", "setpriv", "mount", "umount", "pivot_root", "systemctl", "journalctl")
PREFIX = "tqd-box-"
SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
BOOT_S = 60.0
RUN_S = 90.0


class SystemdBox:
    """One box, booted with `with`.

    `layers` are directories whose files are laid over the machine's; `python` is a directory to be seen as
    /opt/python inside.
    """

    def __init__(self, *layers: Path, python: Path | None = None) -> None:
        parent = _cgroup_parent()
        self.place = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._layers = (*layers, _own_layer(self.place / "layer"))
        self._python = python
        self._cgroup = parent / f"{PREFIX}{os.getpid()}-{self.place.name.removeprefix(PREFIX)}"
        self._outer: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def boot(self) -> SystemdBox:
        """Return when the box is up; AssertionError has its console when it does not come up."""
        _remove_forgotten_cgroups()
        self._cgroup.mkdir()
        with open(self.place / "console.log", "wb") as console:
            self._outer = subprocess.Popen(
                [*self._unshared(), "boot", *([str(self._python)] if self._python else [])],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        try:
            until(self._up, "systemd is up in the box", BOOT_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.console()}") from None
        return self

    def obstacle(self) -> str:
        """Return what a box fails at before systemd is started; empty when nothing is in the way."""
        try:
            self._cgroup.mkdir()
        except OSError as error:
            return f"no cgroup can be made: {error}"
        done = subprocess.run(
            [*self._unshared(), "probe"], capture_output=True, text=True, timeout=BOOT_S, check=False
        )
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        return "" if done.returncode == 0 else f"no box can be made: {lines[-1]}"

    def run(
        self, *command: str, check: bool = True, timeout_s: float = RUN_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root; with `check` it has to exit 0."""
        done = subprocess.run(
            [*self._entered(), *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def path(self, inside: str) -> Path:
        """Return where a file of the box is from outside. Absolute symbolic links on the way lead astray."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Put a file into the box, with the directories on the way."""
        self.run("mkdir", "-p", "--mode=755", str(Path(inside).parent))
        path = self.path(inside)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.chmod(mode)
        new.replace(path)

    def pids(self) -> list[int]:
        """Return the pids of all processes in the box, as seen inside, but that of systemd itself."""
        listed = [name for name in os.listdir(self.path("/proc")) if name.isdigit()]
        return sorted(int(name) for name in listed if name != "1")

    def console(self) -> str:
        """Return what the box wrote before it had a log."""
        return (self.place / "console.log").read_text(errors="replace")

    def close(self) -> None:
        """Kill all that is in the box and remove what it had; closing twice is harmless."""
        if self._outer is not None:
            # The kernel kills a pid namespace with its first process, and that with `unshare`.
            self._outer.kill()
            self._outer.wait()
            self._outer = None
        if self._cgroup.exists():
            until(lambda: _emptied(self._cgroup), f"no process is left in {self._cgroup}", BOOT_S)
            _remove_cgroup(self._cgroup)
        shutil.rmtree(self.place, ignore_errors=True)

    def __enter__(self) -> SystemdBox:
        try:
            return self.boot()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _unshared(self) -> list[str]:
        # The shell puts itself into the cgroup first: it is the root of the new cgroup namespace.
        # setpriv makes all this die with the process of the tests, however that ends.
        joined = 'echo $$ > "$0/cgroup.procs"; exec "$@"'
        namespaces = ["unshare", *NAMESPACES, "--fork", "--kill-child"]
        layers = ":".join(str(layer) for layer in self._layers)
        return [
            *("sh", "-eu", "-c", joined, str(self._cgroup), "setpriv", "--pdeathsig", "KILL"),
            *(*namespaces, "sh", str(SCRIPT), str(self.place), layers),
        ]

    def _entered(self) -> list[str]:
        clean = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")
        return ["nsenter", "--target", str(self.pid), *NAMESPACES, *clean]

    def _up(self) -> bool:
        assert self._outer is not None
        assert self._outer.poll() is None, f"systemd ended by itself ({self._outer.returncode})"
        self.pid = self.pid or _manager_under(self._outer.pid)
        if not self.pid:
            return False
        return self.run("systemctl", "is-active", "box.target", check=False).returncode == 0


@cache
def why_not() -> str:
    """Return why no box can be made here; empty when one can. Found out by making one up to its boot."""
    if os.geteuid() != 0:
        return "not root: namespaces and mounts need it"
    missing = [name for name in PROGRAMS if shutil.which(name, path=SEARCHED) is None]
    if missing or not MANAGER.exists():
        return f"not installed: {', '.join(missing) or 'systemd'} (Debian: apt-get install systemd mount)"
    try:
        box = SystemdBox()
    except OSError as error:
        return f"no cgroup2: {error}"
    try:
        return box.obstacle()
    finally:
        box.close()


def _own_layer(layer: Path) -> Path:
    """Make the layer with what a boot needs; its own mode is that of the box's root directory."""
    units = layer / "box" / "units"
    units.mkdir(parents=True)
    for name in UNITS:
        if (machine := MANAGER.parent / "system" / name).exists():
            shutil.copy(machine, units / name)
    (units / "box.target").write_text(TARGET)
    layer.chmod(0o755)
    return layer


def _manager_under(pid: int) -> int:
    """Return the pid of the systemd that is the child of `unshare`, or 0 while it is not that yet."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for child in children.read_text().split():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
    return 0


def _cgroup_parent() -> Path:
    """Return where the cgroup2 tree is; OSError where it is not mounted or cannot be written."""
    for path in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")):
        if (path / "cgroup.procs").exists() and (path / "cgroup.controllers").exists():
            if not os.access(path, os.W_OK):
                raise PermissionError(f"{path} is read-only")
            return path
    raise FileNotFoundError("it is not mounted in /sys/fs/cgroup")


def _emptied(cgroup: Path) -> bool:
    return "populated 0" in (cgroup / "cgroup.events").read_text()


def _remove_cgroup(cgroup: Path) -> None:
    for directory, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def _remove_forgotten_cgroups() -> None:
    """Remove what test runs left that were killed: the kernel ended their boxes, and kept the cgroups."""
    for cgroup in _cgroup_parent().glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            owner = cgroup.name.removeprefix(PREFIX).partition("-")[0]
            if not Path(f"/proc/{owner}").exists() and _emptied(cgroup):
                _remove_cgroup(cgroup)
