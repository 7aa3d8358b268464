"""Waiting for results without polling.

A waiter sends `SUBSCRIBE` for the result's channel and `GET` for the result in one write, in this
order, on a RESP3 connection: the record is either there already, or it will be pushed. One asyncio
connection serves all waiters of an event loop; a blocking waiter has a connection for its wait.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

from hiredis import PushNotification
from redis.exceptions import RedisError

from tqd.clock import monotonic
from tqd.errors import StoreUnavailable
from tqd.store.calls import Command
from tqd.store.connection import BROKEN, Endpoint, accept, connect, connect_sync, refusal
from tqd.store.keys import Keys
from tqd.store.pipe import RedisPipe, pack

_RECONNECT_S = 0.2


class ResultFeed:
    """Waits for result records over one asyncio connection, opened at the first wait."""

    def __init__(self, endpoint: Endpoint, keys: Keys) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._pipe: RedisPipe | None = None
        self._connecting = asyncio.Lock()
        self._waiters: dict[str, set[asyncio.Future[bytes]]] = {}

    async def wait(self, identity: bytes, timeout_s: float | None) -> bytes:
        """Return the encoded result record of a task; TimeoutError after `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await self._wait_once(self._keys.result(identity))
                except StoreUnavailable:
                    if timeout_s is None:
                        raise
                    await asyncio.sleep(_RECONNECT_S)

    async def close(self) -> None:
        """Close the connection; whoever still waits gets StoreUnavailable."""
        if self._pipe is not None:
            self._pipe.close()

    async def _wait_once(self, channel: str) -> bytes:
        pushed: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(channel, set()).add(pushed)
        pipe: RedisPipe | None = None
        try:
            pipe = await self._connected()
            # SUBSCRIBE answers by a push; the one reply is GET's.
            (record,) = await pipe.send(pack([("SUBSCRIBE", channel), ("GET", channel)]), 1, None)
            return bytes(accept(record)) if record is not None else await pushed
        except (*BROKEN, RedisError) as error:
            raise refusal(self._endpoint, error) from error
        finally:
            self._leave(pipe, channel, pushed)

    def _leave(self, pipe: RedisPipe | None, channel: str, pushed: asyncio.Future[bytes]) -> None:
        waiters = self._waiters[channel]
        waiters.discard(pushed)
        if not waiters:
            del self._waiters[channel]
            if pipe is not None and not pipe.closed:
                pipe.tell(pack([("UNSUBSCRIBE", channel)]))

    async def _connected(self) -> RedisPipe:
        async with self._connecting:
            if self._pipe is None or self._pipe.closed:
                self._pipe = RedisPipe(await connect(self._endpoint), self._pushed, self._broken)
            return self._pipe

    def _broken(self, reason: BaseException) -> None:
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(reason)
                    waiter.exception()  # whoever waits for GET's reply never looks at this one

    def _pushed(self, push: list[Any]) -> None:
        if push[0] != b"message":
            return
        for waiter in self._waiters.get(push[1].decode(), ()):
            if not waiter.done():
                waiter.set_result(push[2])


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
