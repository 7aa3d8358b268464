"""Waiting for results without polling.

A waiter sends `SUBSCRIBE` for the result's channel and `GET` for the result in one write, in this
order, on a RESP3 connection: the record is either there already, or it will be pushed. One asyncio
connection serves all waiters of an event loop; a blocking waiter has a connection for its wait.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any

from hiredis import PushNotification
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from tqd.clock import monotonic
from tqd.errors import StoreUnavailable
from tqd.store.calls import Command
from tqd.store.connection import BROKEN, Endpoint, connect, connect_sync, pack, refusal, unavailable
from tqd.store.keys import Keys


class ResultFeed:
    """Waits for result records over one asyncio connection, opened at the first wait."""

    def __init__(self, endpoint: Endpoint, keys: Keys) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._connection: AbstractConnection | None = None
        self._connecting = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._waiters: dict[str, set[asyncio.Future[bytes]]] = {}
        self._asked: deque[str] = deque()

    async def wait(self, identity: bytes, timeout_s: float | None) -> bytes:
        """Return the encoded result record of a task; TimeoutError after `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await self._wait_once(self._keys.result(identity))
                except StoreUnavailable:
                    if timeout_s is None:
                        raise
                    await asyncio.sleep(0.2)

    async def close(self) -> None:
        """End the reader and the connection; whoever still waits gets StoreUnavailable."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _wait_once(self, channel: str) -> bytes:
        connection = await self._connected()
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(channel, set()).add(future)
        self._asked.append(channel)
        try:
            await self._send(connection, [("SUBSCRIBE", channel), ("GET", channel)])
            return await future
        finally:
            await self._leave(connection, channel, future)

    async def _leave(
        self, connection: AbstractConnection, channel: str, future: asyncio.Future[bytes]
    ) -> None:
        waiters = self._waiters.get(channel, set())
        waiters.discard(future)
        if not waiters and self._waiters.pop(channel, None) is not None and connection is self._connection:
            await self._send(connection, [("UNSUBSCRIBE", channel)])

    async def _connected(self) -> AbstractConnection:
        async with self._connecting:
            if self._connection is None:
                try:
                    self._connection = await connect(self._endpoint)
                except (*BROKEN, RedisError) as error:
                    raise refusal(self._endpoint, error) from error
                self._reader = asyncio.create_task(self._read(self._connection))
            return self._connection

    async def _send(self, connection: AbstractConnection, commands: list[Command]) -> None:
        try:
            await connection.send_packed_command([pack(commands)], check_health=False)
        except BROKEN as error:
            raise unavailable(self._endpoint, error) from error

    async def _read(self, connection: AbstractConnection) -> None:
        reason: BaseException = ConnectionError("the client was closed")
        try:
            while True:
                answer = await connection.read_response(timeout=math.inf, push_request=True)
                if not isinstance(answer, PushNotification):
                    self._resolve(self._asked.popleft(), answer)
                elif answer[0] == b"message":
                    self._resolve(answer[1].decode(), answer[2])
        except (*BROKEN, RedisError) as error:
            reason = error
        finally:
            self._break(reason)
            await connection.disconnect(nowait=True)

    def _resolve(self, channel: str, record: Any) -> None:
        if record is None:
            return
        for future in self._waiters.get(channel, ()):
            if not future.done():
                future.set_result(record)

    def _break(self, reason: BaseException) -> None:
        self._connection = None
        self._asked.clear()
        waiters, self._waiters = self._waiters, {}
        for futures in waiters.values():
            for future in futures:
                if not future.done():
                    future.set_exception(unavailable(self._endpoint, reason))


def wait_sync(endpoint: Endpoint, keys: Keys, identity: bytes, timeout_s: float | None) -> bytes:
    """Return the encoded result record of a task; TimeoutError after `timeout_s`.

    Uses a connection of its own for the time of the wait.
    """
    channel = keys.result(identity)
    end = math.inf if timeout_s is None else monotonic() + timeout_s
    try:
        connection = connect_sync(endpoint)
    except (*BROKEN, RedisError) as error:
        raise refusal(endpoint, error) from error
    try:
        commands: list[Command] = [("SUBSCRIBE", channel), ("GET", channel)]
        connection.send_packed_command([pack(commands)], check_health=False)  # type: ignore[no-untyped-call]
        while True:
            left_s = end - monotonic()
            if left_s <= 0:
                raise TimeoutError
            timeout = None if left_s == math.inf else left_s
            answer = connection.read_response(timeout=timeout, push_request=True)
            record = _record(answer)
            if record is not None:
                return record
    except (*BROKEN, RedisError) as error:
        if monotonic() >= end:
            raise TimeoutError from None
        raise refusal(endpoint, error) from error
    finally:
        connection.disconnect()  # type: ignore[no-untyped-call]


def _record(answer: Any) -> bytes | None:
    if isinstance(answer, PushNotification):
        return answer[2] if answer[0] == b"message" else None
    return answer  # type: ignore[no-any-return]
