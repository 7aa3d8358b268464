"""`tqd restart`: stop the daemon and start it again in the background, if a start would work.

App and configuration are checked first, by `tqd check` with the same flags in a process of its own: a
broken deploy leaves the running daemon alone. What only a start can meet, as a Redis that is down, still
ends with no daemon, and says so. A daemon that systemd or a container runs is theirs to restart.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

from tqd.cli.daemon import directory_of, find
from tqd.cli.main import given
from tqd.cli.stop import stop
from tqd.config.setting import Kind
from tqd.config.table import BY_KEY
from tqd.errors import TqdError
from tqd.system import exits


class NotOurs(TqdError):
    """Raised when something else watches over the daemon, and would be in the way of a restart."""


def run(options: argparse.Namespace) -> int:
    """Restart; 78 when a start would fail, and then the running daemon goes on."""
    directory = directory_of(options)
    process = find(directory)
    if process is not None:
        _refuse_if_watched(process.pid)
    code = _tqd("check", *flags(options), stdout=subprocess.DEVNULL)
    if code != exits.OK:
        rest = "nothing is started" if process is None else f"the daemon (pid {process.pid}) goes on as it is"
        print(f"tqd: not restarted, as a start would fail: {rest}", file=sys.stderr)
        return code
    if process is None:
        print("tqd was not running")
    else:
        code = stop(process, directory, "drain", options.timeout)
        if code != exits.OK:
            print("tqd: nothing is started; start it when the old daemon has ended", file=sys.stderr)
            return code
    sys.stdout.flush()
    code = _tqd("start", "--detach", *flags(options))
    if code != exits.OK and process is not None:
        print("tqd: the old daemon has stopped and the new one did not start", file=sys.stderr)
    return code


def _tqd(*arguments: str, stdout: int | None = None) -> int:
    return subprocess.run([sys.executable, "-m", "tqd", *arguments], stdout=stdout, check=False).returncode


def flags(options: argparse.Namespace) -> list[str]:
    """Return the flags of a start as they were given, for another `tqd`."""
    out = [] if options.config is None else [f"--config={options.config}"]
    for key, value in given(options).items():
        name = BY_KEY[key].flags[0]
        out.append(name if BY_KEY[key].kind is Kind.SWITCH else f"{name}={value}")
    return out


def _refuse_if_watched(pid: int) -> None:
    if pid == 1:
        raise NotOurs("the daemon is the first process of a container: restart the container")
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read()
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            groups = file.read()
    except OSError:
        return
    unit = unit_of(pid, environ, groups)
    if unit:
        raise NotOurs(f"the daemon (pid {pid}) is run by systemd: use systemctl restart {unit}")


def unit_of(pid: int, environ: bytes, groups: str) -> str:
    """Return the systemd unit whose main process this is, from its environment and cgroups; else ''.

    systemd tells each process that it executes its own pid, and children inherit a pid that is not theirs.
    """
    if f"SYSTEMD_EXEC_PID={pid}".encode() not in environ.split(b"\0"):
        return ""
    found = re.findall(r"([^/\n]+\.service)$", groups, re.MULTILINE)
    return found[-1] if found else "its unit"
