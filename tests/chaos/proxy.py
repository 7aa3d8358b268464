"""A TCP way to a Redis on a unix socket that can be slow, or silent without being closed. On one thread."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_PIECE = 1 << 16
_END_S = 5.0


class SlowProxy:
    """`delay_s` is what each way takes longer; `silent` swallows everything and keeps connections open."""

    def __init__(self, target: Path) -> None:
        self.delay_s = 0.0
        self.silent = False
        self.port = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._ready: Future[None] = Future()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    @property
    def url(self) -> str:
        """Return the way to Redis through this proxy."""
        return f"redis://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Close every connection."""
        self._loop.call_soon_threadsafe(self._cut)

    def __enter__(self) -> SlowProxy:
        self._thread.start()
        self._ready.result(_END_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_END_S)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set_result(None)
        await self._stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for runner in others:
            runner.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            redis_reader, redis_writer = await asyncio.open_unix_connection(str(self._target))
        except OSError:
            self._writers.discard(writer)
            writer.close()
            return
        self._writers.add(redis_writer)
        with suppress(asyncio.CancelledError):  # only when all ends
            await asyncio.gather(self._pump(reader, redis_writer), self._pump(redis_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if not self.silent:
                    writer.write(data)
        self._writers.discard(writer)
        writer.close()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
