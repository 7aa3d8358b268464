"""`tqd top` on a terminal of its own: what it paints, how it is left, and that all is given back."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.integration.cli.conftest import FakeDaemon
from tests.unit.cli.builders import status, worker

ENTER, LEAVE, HOME = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H"
DEADLINE_S = 20.0


class Screen:
    """A terminal with `tqd top` on it; started by a `shell` program, if there is one, at its `{}`."""

    def __init__(
        self, fake: FakeDaemon, columns: int, rows: int, *words: str, shell: str = "", **environ: str
    ) -> None:
        self._master, self.slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        command = fake.command("top", *words)
        self.process = subprocess.Popen(
            ["sh", "-c", shell.format(shlex.join(command))] if shell else command,
            env=fake.environ | environ,
            cwd=fake.directory.path,
            stdin=self.slave,
            stdout=self.slave,
            stderr=subprocess.PIPE,
            start_new_session=True,
            # The terminal is the session's own, so that keys become signals and new sizes are told.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Read on until it is true."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            left_s = end - time.monotonic()
            assert left_s > 0, f"not within {DEADLINE_S:g} s: {what}\n{self.text[-3000:]!r}"
            if select.select([self._master], [], [], min(left_s, 0.2))[0]:
                self.text += os.read(self._master, 65_536).decode()

    def shows(self, words: str) -> None:
        """Wait until the newest complete frame has the words."""
        self.until(lambda: any(words in row for row in self.frame()), f"{words!r} is shown")

    def frames(self) -> list[str]:
        return self.text.split(HOME)[1:]

    def frame(self) -> list[str]:
        """Return the lines of the newest frame, without colours."""
        whole = [one for one in self.frames() if "\x1b[J" in one]
        if not whole:
            return []
        body = whole[-1].partition("\x1b[J")[0]
        return [re.sub(r"\x1b\[[0-9;]*[mK]|\r", "", row) for row in body.split("\n")]

    def ends(self) -> int:
        """Wait for the end; return the exit code."""
        self.until(lambda: self.process.poll() is not None and self.text.endswith(LEAVE), "it has ended")
        return self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        os.close(self.slave)
        os.close(self._master)


@contextmanager
def screen(
    fake: FakeDaemon, columns: int = 80, rows: int = 24, *words: str, **environ: str
) -> Iterator[Screen]:
    shown = Screen(fake, columns, rows, *words, **environ)
    try:
        yield shown
    finally:
        shown.close()


LEAVES: list[tuple[str, Callable[[Screen], None], int]] = [
    ("q", lambda screen: screen.press(b"q"), 0),
    ("Ctrl-C", lambda screen: screen.press(b"\x03"), 130),
    ("SIGTERM", lambda screen: screen.process.send_signal(signal.SIGTERM), 143),
    ("SIGINT", lambda screen: screen.process.send_signal(signal.SIGINT), 130),
]


@pytest.mark.parametrize(("how", "leave", "code"), LEAVES, ids=[how for how, _, _ in LEAVES])
def test_the_terminal_is_taken_and_given_back(
    running: FakeDaemon, how: str, leave: Callable[[Screen], None], code: int
) -> None:
    running.answer(status=[status()])
    with screen(running) as shown:
        shown.shows("tqd running · shop.tasks:tq")
        assert shown.text.startswith(ENTER)
        assert termios.tcgetattr(shown.slave) != shown.before, "keys come one by one"
        leave(shown)
        assert shown.ends() == code
        assert termios.tcgetattr(shown.slave) == shown.before
        assert shown.process.stderr is not None and shown.process.stderr.read() == b""


def test_frames_are_painted_over_each_other_without_clearing_the_screen(running: FakeDaemon) -> None:
    running.answer(status=[status()])
    with screen(running, 80, 24, "--interval", "0.1") as shown:
        shown.until(lambda: len(shown.frames()) > 5, "there are frames")
        assert "\x1b[2J" not in shown.text and "\n\x1b[J" not in shown.text
        assert len(shown.frame()) <= 24 and max(map(len, shown.frame())) < 80


def test_figures_are_fresh_and_a_resized_window_is_painted_anew(running: FakeDaemon) -> None:
    running.answer(status=[status()])
    with screen(running, 60, 24, "--interval", "3600") as shown:
        shown.shows("worker-1")
        assert not any("gen" in row.split() for row in shown.frame())
        shown.resize(200, 40)
        shown.until(lambda: any("gen" in row.split() for row in shown.frame()), "every column has room")
        assert running.heard().count('{"verb": "status"}') == 1, "for that nobody is asked again"
        running.answer(status=[status(generation=7)])
        shown.press(b" ")
        shown.shows("generation 7")


def test_it_outlives_the_daemon_and_finds_the_next_one(running: FakeDaemon) -> None:
    running.answer(status=[status()])
    with screen(running, 80, 24, "--interval", "0.1") as shown:
        shown.shows("tqd running")
        running.end()
        shown.shows("tqd is not running, waiting for a start")
        shown.shows(running.directory.path)
        running.answer(status=[status(master={"pid": 4711})])
        running.start()
        shown.shows("pid 4711")
        shown.press(b"q")
        assert shown.ends() == 0


def test_it_outlives_a_daemon_that_hangs_and_shows_its_last_figures(running: FakeDaemon) -> None:
    running.answer(status=[status()])
    with screen(running, 80, 24, "--interval", "0.1") as shown:
        shown.shows("tqd running")
        os.kill(running.pid, signal.SIGSTOP)
        shown.shows("tqd not answering")
        shown.shows("worker-1")
        os.kill(running.pid, signal.SIGCONT)
        shown.shows("tqd running")


def test_while_redis_is_down_it_says_since_when_the_figures_are_old(running: FakeDaemon) -> None:
    running.answer(status=[status(sampled_s_ago=44.0, keeper={"redis_down_s": 43.0})])
    with screen(running, 100) as shown:
        shown.shows("the queues' figures are 44 s old: Redis has not served for 43 s")


def test_colours_are_left_out_when_nobody_wants_them(running: FakeDaemon) -> None:
    running.answer(status=[status(workers=[worker(1, state="hung")])])
    with screen(running) as coloured, screen(running, NO_COLOR="1") as plain:
        coloured.shows("hung")
        plain.shows("hung")
        assert "\x1b[31mhung\x1b[0m" in coloured.text
        assert re.search(r"\x1b\[[0-9;]*m", plain.text) is None


def test_it_stops_with_ctrl_z_and_goes_on(running: FakeDaemon) -> None:
    running.answer(status=[status()])
    with screen(running, shell="set -m; {}; stty -a; read go; fg") as shown:
        shown.shows("tqd running")
        shown.press(b"\x1a")
        shown.until(lambda: " icanon" in shown.text.rpartition(LEAVE)[2], "the terminal is given back")
        shown.press(b"\n")
        shown.until(lambda: shown.text.count(ENTER) == 2, "the terminal is taken again")
        shown.press(b"q")
        assert shown.ends() == 0


def test_a_refusal_is_told_after_the_terminal_is_given_back(running: FakeDaemon) -> None:
    running.answer(status=[{"error": "unknown verb 'status'"}])
    with screen(running) as shown:
        assert shown.ends() == 1
        assert shown.process.stderr is not None and b"unknown verb" in shown.process.stderr.read()


# -- without a terminal ---------------------------------------------------------------------------


def test_in_a_pipe_it_is_so_many_plain_frames(running: FakeDaemon) -> None:
    running.answer(status=[status(workers=[worker(n) for n in range(50)])])
    one = running.tqd("top")
    assert one.returncode == 0 and "\x1b" not in one.stdout and "worker-49" in one.stdout
    three = running.tqd("top", "-n", "3", "--interval", "0.1")
    assert three.stdout.count("tqd running") == 3


def test_as_json_it_is_one_object_a_line(running: FakeDaemon) -> None:
    running.answer(status=[status()])
    result = running.tqd("top", "-n", "2", "--interval", "0.1", "--json")
    assert [json.loads(row) for row in result.stdout.splitlines()] == [status(), status()]


def test_nobody_to_look_at_is_told_by_the_exit_code(fake: FakeDaemon) -> None:
    shown = fake.tqd("top")
    assert shown.returncode == 3 and "not running" in shown.stdout
    asked = fake.tqd("top", "--json")
    assert (asked.returncode, json.loads(asked.stdout)["state"]) == (3, "not running")
