"""The terminal while `tqd top` has it: another screen, no cursor, keys one by one; all given back.

A signal is a byte in a pipe that `wait` reads: nothing is written in the middle of a frame. A
frame is one write that paints over the last one, so that nothing flickers.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
from enum import Enum
from types import TracebackType

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _LINE_END, _SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_HEARD = (*_ENDS, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
_SIZE = (80, 24)
_QUIT = frozenset(b"qQ\x03\x04")  # Ctrl-C and Ctrl-D come as keys where they are no signals


class Wake(Enum):
    """Why a wait is over."""

    TIME = "the time is over"
    RESIZED = "the window has another size"
    AGAIN = "somebody wants fresh figures now"
    LEAVE = "somebody wants to leave"


class Terminal:
    """Takes the terminal on entry and gives it back on exit, whatever happens between.

    `code` is the exit code that the last signal asks for: 0 until there is one.
    """

    def __init__(self, output: int, keys: int | None, encoding: str) -> None:
        self._output = output
        self._keys = keys
        self._encoding = encoding
        self._cooked: list[object] | None = None
        self._before: dict[signal.Signals, object] = {}
        self.code = 0

    def __enter__(self) -> Terminal:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._woken_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in _HEARD:
            self._before[number] = signal.signal(number, _do_nothing)
        try:
            self._take()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._woken_before)
        os.close(self._reader)
        os.close(self._writer)

    def size(self) -> tuple[int, int]:
        """Return columns and lines."""
        try:
            size = os.get_terminal_size(self._output)
        except OSError:
            return _SIZE
        return size.columns or _SIZE[0], size.lines or _SIZE[1]

    def draw(self, lines: list[str]) -> None:
        """Paint a frame over the last one; its lines must be shorter than the screen is wide."""
        body = "\r\n".join(text + _LINE_END for text in lines)
        self._write(f"{_HOME}{body}{_SCREEN_END}")

    def wait(self, timeout_s: float) -> Wake:
        """Wait for a key, a signal or the end of the time."""
        watched = [self._reader] if self._keys is None else [self._reader, self._keys]
        ready, _, _ = select.select(watched, [], [], timeout_s)
        if self._reader in ready:
            return self._heard(os.read(self._reader, 512))
        if ready:
            return self._pressed()
        return Wake.TIME

    def _heard(self, numbers: bytes) -> Wake:
        for number in numbers:
            if number in _ENDS:
                self.code = 128 + number
                return Wake.LEAVE
            if number == signal.SIGTSTP:
                self._suspend()
        return Wake.RESIZED

    def _pressed(self) -> Wake:
        assert self._keys is not None
        try:
            pressed = os.read(self._keys, 512)
        except OSError:
            pressed = b""
        return Wake.LEAVE if not pressed or set(pressed) & _QUIT else Wake.AGAIN

    def _suspend(self) -> None:
        """Stop as Ctrl-Z wants it, with the terminal given back; goes on after `fg`."""
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, _do_nothing)
        self._take()

    def _take(self) -> None:
        if self._keys is not None:
            with contextlib.suppress(termios.error):
                attributes = termios.tcgetattr(self._keys)
                self._cooked = list(attributes)
                attributes[3] &= ~(termios.ICANON | termios.ECHO)
                termios.tcsetattr(self._keys, termios.TCSANOW, attributes)
        self._write(_ENTER)

    def _give_back(self) -> None:
        # A terminal that is gone cannot be put right.
        if self._keys is not None and self._cooked is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._cooked)  # type: ignore[arg-type]
        with contextlib.suppress(OSError):
            self._write(_LEAVE)

    def _write(self, text: str) -> None:
        data = text.encode(self._encoding, "replace")
        while data:
            data = data[os.write(self._output, data) :]


def _do_nothing(number: int, frame: object) -> None:
    """Stand in for a handler: the byte in the pipe is what counts."""
