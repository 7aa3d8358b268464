"""The child's end of its two pipes, on its event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from tqd.errors import Malformed
from tqd.system.fork import ChildPipes
from tqd.wire.frames import FrameReader
from tqd.wire.messages import Message, decode_message, encode_message

_READ_BYTES = 65_536


class ChildChannel:
    """Hands over what the master sends; sends how the child is, dropping what does not fit.

    `on_message` gets each message; `on_orphaned` is called once when the master is gone.
    """

    def __init__(
        self, pipes: ChildPipes, on_message: Callable[[Message], None], on_orphaned: Callable[[], None]
    ) -> None:
        self._pipes = pipes
        self._on_message = on_message
        self._on_orphaned = on_orphaned
        self._frames = FrameReader()
        self.dropped = 0

    def open(self) -> None:
        """Begin to read."""
        asyncio.get_running_loop().add_reader(self._pipes.control_fd, self._readable)

    def close(self) -> None:
        """Stop reading."""
        asyncio.get_running_loop().remove_reader(self._pipes.control_fd)

    def send(self, message: Message) -> bool:
        """Write one message, whole or not at all: on a full pipe it is dropped and counted.

        False when it was dropped. Frames are short enough for the kernel to write them in one piece, so
        that this may be called in a signal handler, in the middle of another send.
        """
        try:
            os.write(self._pipes.status_fd, encode_message(message))
        except BlockingIOError:
            self.dropped += 1
            return False
        except BrokenPipeError:
            pass  # the master is gone; the control pipe tells
        return True

    def _readable(self) -> None:
        try:
            data = os.read(self._pipes.control_fd, _READ_BYTES)
        except BlockingIOError:
            return
        try:
            messages = [decode_message(frame) for frame in self._frames.feed(data)] if data else []
        except Malformed:
            data = b""  # a master that speaks nonsense is as good as dead
            messages = []
        for message in messages:
            self._on_message(message)
        if not data:
            self.close()
            self._on_orphaned()
