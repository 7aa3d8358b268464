"""One connection to Redis, sync or async: send commands in one write, read all replies.

Who owns a connection owns its fate: nothing here retries by itself, keeps a pool, or cancels a read.
A script that Redis does not have (NOSCRIPT: certainly not run) is loaded, and only that call is sent
again. Every other failure of the way is a `StoreUnavailable`; the connection is then closed, and the
next exchange opens it anew.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from redis import connection as sync_redis
from redis.asyncio import connection as async_redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from tqd.clock import Reading, Readings, RedisClock, monotonic
from tqd.config.model import RedisConfig
from tqd.config.redact import redacted
from tqd.errors import StoreError, StoreFull, StoreMismatch, StoreUnavailable
from tqd.store.calls import Command
from tqd.store.pipe import RedisPipe, pack
from tqd.store.refusals import described, refuses_for_now, remedy
from tqd.store.scripts import BY_SHA

Replies = list[Any]
"""One reply per command: bytes, int, list, None, or the ResponseError that it met."""

BROKEN = (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError)
_OOM = re.compile(r"(^|-)OOM ")
_NOT_NOW_KINDS = (ReadOnlyError, MasterDownError, ClusterDownError, TryAgainError)
_REFUSED = (AuthenticationError, ResponseError)
_TIME: Command = ("TIME",)


class Endpoint:
    """Where Redis is and how long its answers may take. Shown without its password.

    `password` is used when the URL has none; it never becomes a part of the URL, which others may see.
    `tls` are files for rediss:// by the names that redis-py has for them; what the URL says itself wins.
    """

    __slots__ = ("command_timeout_s", "connect_timeout_s", "password", "tls", "url")

    def __init__(
        self,
        url: str,
        connect_timeout_s: float = 5.0,
        command_timeout_s: float = 5.0,
        password: str = "",
        tls: Mapping[str, str] | None = None,
    ) -> None:
        self.url = url
        self.connect_timeout_s = connect_timeout_s
        self.command_timeout_s = command_timeout_s
        self.password = password
        self.tls = tls or {}

    @classmethod
    def configured(cls, redis: RedisConfig, url: str = "", password: str = "") -> Endpoint:
        """Return the endpoint that a configuration means; `url` takes the place of its own."""
        files = {
            "ssl_ca_certs": redis.ca_file,
            "ssl_certfile": redis.cert_file,
            "ssl_keyfile": redis.key_file,
        }
        tls = {name: path for name, path in files.items() if path}
        return cls(url or redis.url, redis.connection_timeout, redis.command_timeout, password, tls)

    def __str__(self) -> str:
        return redacted(self.url)


class Link:
    """One asyncio connection, opened when it is first needed."""

    def __init__(self, endpoint: Endpoint, timeout_s: float | None = None) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s or endpoint.command_timeout_s
        self._pipe: RedisPipe | None = None
        self._connecting = asyncio.Lock()
        self.clock = RedisClock()

    async def exchange(self, commands: Sequence[Command]) -> Replies:
        """Send all commands in one write and return their replies in order.

        StoreUnavailable when the connection cannot be made or breaks; what was sent may have been
        run then. No commands: only connect.
        """
        pipe = self._pipe
        try:
            if pipe is None or pipe.closed:
                pipe = await self._connect()
            if not commands:
                return []
            replies = await pipe.send(pack(commands), len(commands), self._timeout_s)
            missing = [i for i, reply in enumerate(replies) if is_unknown_script(reply)]
            if missing:
                await self._again(pipe, commands, missing, replies)
            return _ready(replies)
        except (*BROKEN, RedisError) as error:
            if pipe is not None:
                pipe.close()  # this one: another exchange may have opened a new one meanwhile
            raise refusal(self._endpoint, error) from error

    async def call(self, command: Command) -> Any:
        """Return the reply to one command; a refusal of Redis is raised as a StoreError."""
        (reply,) = await self.exchange([command])
        return accept(reply)

    async def synchronise(self) -> None:
        """Measure Redis's time anew."""
        await self.exchange([])  # opening the connection is no part of the way there and back
        self.clock.measured(await _read_clock(lambda: self.exchange([_TIME])))

    async def close(self) -> None:
        """Close the connection; harmless when it is closed."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()

    async def _connect(self) -> RedisPipe:
        async with self._connecting:
            if self._pipe is not None and not self._pipe.closed:
                return self._pipe  # another exchange has opened it meanwhile
            pipe = RedisPipe(await connect(self._endpoint))
            try:
                ask = pack([_TIME]), 1, self._timeout_s
                self.clock.measured(await _read_clock(lambda: pipe.send(*ask)))
            except BaseException:
                pipe.close()  # nobody else knows of it
                raise
            self._pipe = pipe
            return pipe

    async def _again(
        self, pipe: RedisPipe, commands: Sequence[Command], missing: list[int], replies: Replies
    ) -> None:
        wanted = [commands[i] for i in missing]
        loads = _loads(wanted)
        fresh = await pipe.send(pack([*loads, *wanted]), len(loads) + len(wanted), self._timeout_s)
        for place, reply in zip(missing, fresh[len(loads) :], strict=True):
            replies[place] = reply


class SyncLink:
    """One blocking connection, used by one thread at a time."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection: sync_redis.AbstractConnection | None = None
        self.clock = RedisClock()

    def exchange(self, commands: Sequence[Command]) -> Replies:
        """Send all commands in one write and return their replies in order, as `Link.exchange`."""
        try:
            connection = self._connection or self._connect()
            if not commands:
                return []
            replies = self._round(connection, commands)
            missing = [i for i, reply in enumerate(replies) if is_unknown_script(reply)]
            if missing:
                loads = _loads([commands[i] for i in missing])
                fresh = self._round(connection, [*loads, *(commands[i] for i in missing)])
                for place, reply in zip(missing, fresh[len(loads) :], strict=True):
                    replies[place] = reply
            return _ready(replies)
        except (*BROKEN, RedisError) as error:
            self.close()
            raise refusal(self._endpoint, error) from error

    def call(self, command: Command) -> Any:
        """Return the reply to one command; a refusal of Redis is raised as a StoreError."""
        (reply,) = self.exchange([command])
        return accept(reply)

    def synchronise(self) -> None:
        """Measure Redis's time anew."""
        self.exchange([])  # opening the connection is no part of the way there and back
        self.clock.measured(_read_clock_sync(lambda: self.exchange([_TIME])))

    def close(self) -> None:
        """Close the connection; harmless when it is closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()  # type: ignore[no-untyped-call]

    def _connect(self) -> sync_redis.AbstractConnection:
        connection = self._connection = connect_sync(self._endpoint)
        self.clock.measured(_read_clock_sync(lambda: self._round(connection, [_TIME])))
        return connection

    def _round(self, connection: sync_redis.AbstractConnection, commands: Sequence[Command]) -> Replies:
        self._write(connection, pack(commands))
        return [_sync_reply(connection) for _ in commands]

    def _write(self, connection: sync_redis.AbstractConnection, packed: bytes) -> None:
        connection.send_packed_command([packed], check_health=False)  # type: ignore[no-untyped-call]


async def connect(endpoint: Endpoint) -> async_redis.AbstractConnection:
    """Return a new asyncio connection; raises what redis-py raises, and StoreMismatch for a bad URL."""
    settings = settings_of(endpoint, async_redis.parse_url, async_redis.Connection)
    kind = settings.pop("connection_class")
    connection: async_redis.AbstractConnection = kind(**settings, retry=AsyncRetry(NoBackoff(), 0))
    await connection.connect()  # type: ignore[no-untyped-call]
    # From here on the exchange's own deadline holds; the library's costs a task for every write.
    connection.socket_timeout = None
    return connection


def connect_sync(endpoint: Endpoint) -> sync_redis.AbstractConnection:
    """Return a new blocking connection; raises what redis-py raises, and StoreMismatch for a bad URL."""
    settings = settings_of(endpoint, sync_redis.parse_url, sync_redis.Connection)
    kind = settings.pop("connection_class")
    connection: sync_redis.AbstractConnection = kind(**settings, retry=Retry(NoBackoff(), 0))
    connection.connect()  # type: ignore[no-untyped-call]
    return connection


async def _read_clock(ask: Callable[[], Awaitable[Replies]]) -> Reading:
    readings = Readings()
    while (best := readings.best) is None:
        asked = monotonic()
        (answer,) = _ready(await ask())
        readings.add(Reading(redis_ms(accept(answer)), asked, monotonic()))
    return best


def _read_clock_sync(ask: Callable[[], Replies]) -> Reading:
    readings = Readings()
    while (best := readings.best) is None:
        asked = monotonic()
        (answer,) = _ready(ask())
        readings.add(Reading(redis_ms(accept(answer)), asked, monotonic()))
    return best


def _sync_reply(connection: sync_redis.AbstractConnection) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def is_unknown_script(reply: Any) -> bool:
    """Return whether Redis says that it has no such script: then it has certainly not run it."""
    return isinstance(reply, NoScriptError) or (
        isinstance(reply, ResponseError) and str(reply).startswith("NOSCRIPT")
    )


def _ready(replies: Replies) -> Replies:
    for reply in replies:
        # redis-py's own reader makes classes of some of these words, ours leaves the words.
        if isinstance(reply, _NOT_NOW_KINDS) or (
            isinstance(reply, ResponseError) and refuses_for_now(str(reply))
        ):
            raise RedisConnectionError(str(reply))
    return replies


def accept(reply: Any) -> Any:
    """Return a reply, or raise the StoreError for Redis's refusal."""
    if isinstance(reply, OutOfMemoryError) or (isinstance(reply, ResponseError) and _OOM.search(str(reply))):
        # Redis 6.2 packs what a script met into an error of its own: "ERR Error running script … -OOM".
        raise StoreFull(f"Redis is full: {reply}; raise maxmemory, or let consumers catch up") from reply
    if isinstance(reply, ResponseError):
        raise StoreMismatch(f"Redis refused a call: {reply}{remedy(str(reply))}") from reply
    return reply


def refusal(endpoint: Endpoint, error: BaseException) -> StoreError:
    """Return the error for a connection that cannot be made, broke, or that Redis will not have."""
    # For redis-py a refused greeting is a ConnectionError, or packed into one; no second try mends it.
    answer = error.__cause__ if isinstance(error.__cause__, _REFUSED) else error
    if isinstance(answer, BROKEN) and not isinstance(answer, AuthenticationError):
        return unavailable(endpoint, error)
    hint = "; check user and password" if isinstance(answer, AuthenticationError) else ""
    return StoreMismatch(f"Redis at {endpoint} refused the connection: {answer}{hint}")


def unavailable(endpoint: Endpoint, error: BaseException) -> StoreUnavailable:
    """Return the error for a Redis that cannot be reached, or takes nothing for the time being."""
    return StoreUnavailable(f"Redis at {endpoint} {described(str(error) or type(error).__name__)}")


def redis_ms(answer: Sequence[bytes]) -> float:
    """Return the answer of `TIME` in epoch milliseconds."""
    return int(answer[0]) * 1000.0 + int(answer[1]) / 1000.0


def whole_ms(score: float) -> int:
    """Return the time in a sorted set as whole ms, whatever stands there.

    Nobody of ours writes a time before 1970, or one beyond the whole numbers.
    """
    return int(min(max(score, 0.0), 2.0**53))


def settings_of(endpoint: Endpoint, parse: Callable[[str], Any], default_kind: type) -> dict[str, Any]:
    """Return what redis-py's connections are made with; StoreMismatch for a bad URL."""
    try:
        settings = cast(dict[str, Any], dict(parse(endpoint.url)))
    except ValueError:
        # Its text may quote a part of the password.
        raise StoreMismatch(f"{endpoint} is no URL of a Redis: redis://, rediss:// or unix://") from None
    settings.setdefault("connection_class", default_kind)
    if endpoint.password and not settings.get("password"):
        settings["password"] = endpoint.password
    if endpoint.url.startswith("rediss:"):
        settings = {**endpoint.tls, **settings}
    settings.update(
        protocol=3,
        legacy_responses=False,
        socket_timeout=endpoint.command_timeout_s,
        socket_connect_timeout=endpoint.connect_timeout_s,
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return settings


def _loads(commands: Sequence[Command]) -> list[Command]:
    digests = dict.fromkeys(str(command[1]) for command in commands)
    return [("SCRIPT", "LOAD", BY_SHA[digest].source) for digest in digests]
