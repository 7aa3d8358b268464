"""An open asyncio connection to Redis, read by hiredis as the bytes come.

redis-py opens and greets the connection (sockets, TLS, credentials, RESP3); from then on its bytes
come here. Its own way of reading, a stream and a coroutine for each reply, cost more than everything
else between an enqueue and the first line of the task.

Replies belong to exchanges in the order in which they were sent, so any number may be in flight, and
one whose caller has gone is read and dropped. What Redis sends unasked goes to `on_push`; the end of
the connection to `on_closed`, with its reason.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Push = Callable[[list[Any]], None]

_INCOMPLETE = object()


class _Flight:
    """One exchange: the replies it still lacks, and who waits for them."""

    __slots__ = ("count", "replies", "timer", "waiter")

    def __init__(self, count: int, waiter: asyncio.Future[list[Any]]) -> None:
        self.count = count
        self.replies: list[Any] = []
        self.waiter = waiter
        self.timer: asyncio.TimerHandle | None = None


class RedisPipe(asyncio.Protocol):
    """Takes over a greeted connection; `closed` tells when it is of no more use."""

    def __init__(
        self,
        connection: AbstractConnection,
        on_push: Push | None = None,
        on_closed: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._connection = connection
        self._on_push = on_push
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._flights: deque[_Flight] = deque()
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=ResponseError, notEnoughData=_INCOMPLETE
        )
        writer = connection._writer
        assert writer is not None
        self._transport = writer.transport
        self._transport.set_protocol(self)
        self.closed = False

    def send(self, packed: bytes, count: int, timeout_s: float | None) -> asyncio.Future[list[Any]]:
        """Write packed commands; the future gets their `count` replies, errors among them as values.

        It gets an exception when the connection breaks, or when the replies are not there after
        `timeout_s`, which breaks the connection.
        """
        if self.closed:
            raise RedisConnectionError("the connection is closed")
        flight = _Flight(count, self._loop.create_future())
        if timeout_s is not None:
            flight.timer = self._loop.call_later(timeout_s, self._expired, timeout_s)
        self._flights.append(flight)
        self._transport.write(packed)
        return flight.waiter

    def tell(self, packed: bytes) -> None:
        """Write a packed command that is answered by a push, or not at all."""
        self._transport.write(packed)

    def close(self, reason: BaseException | None = None) -> None:
        """Close the connection; whoever waits for a reply gets `reason`."""
        if self.closed:
            return
        self.closed = True
        self._connection._close()  # type: ignore[no-untyped-call]
        reason = reason or RedisConnectionError("the connection was closed")
        flights, self._flights = self._flights, deque()
        for flight in flights:
            self._end(flight, reason)
        if self._on_closed is not None:
            self._on_closed(reason)

    def data_received(self, data: bytes) -> None:
        """Take in bytes from Redis."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                if isinstance(reply, hiredis.PushNotification):
                    if self._on_push is not None:
                        self._on_push(reply)
                else:
                    self._replied(reply)
        except InvalidResponse as error:
            self.close(error)

    def connection_lost(self, error: Exception | None) -> None:
        """Note that Redis, or the way to it, has gone."""
        self.close(RedisConnectionError(str(error) if error else "Redis closed the connection"))

    def _replied(self, reply: Any) -> None:
        flight = self._flights[0]
        flight.replies.append(reply)
        if len(flight.replies) == flight.count:
            self._flights.popleft()
            self._end(flight, None)

    def _end(self, flight: _Flight, error: BaseException | None) -> None:
        if flight.timer is not None:
            flight.timer.cancel()
        if flight.waiter.done():
            return
        if error is None:
            flight.waiter.set_result(flight.replies)
        else:
            flight.waiter.set_exception(error)

    def _expired(self, timeout_s: float) -> None:
        self.close(RedisTimeoutError(f"no answer within {timeout_s:g} s"))


def pack(commands: Sequence[tuple[str | bytes | int | float, ...]]) -> bytes:
    """Return the commands as the bytes of one write."""
    return b"".join(map(hiredis.pack_command, commands))  # type: ignore[arg-type]
