"""Whether a Redis is fit for tqd: what it says of itself, and what follows, as a pure function.

Asks only with commands that change nothing. What may not be asked (by an ACL, at a hosted Redis) is
told as not known, and is no reason to warn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from redis.exceptions import ResponseError

from tqd.clock import monotonic, wall_ms
from tqd.store.calls import Command
from tqd.store.connection import Link, Replies, SyncLink, redis_ms

COMMANDS = (
    "BLPOP", "CLIENT", "DEL", "EVALSHA", "EXISTS", "EXPIRE", "GET", "GETRANGE", "HDEL", "HELLO", "HEXISTS",
    "HGET", "HGETALL", "HINCRBY", "HLEN", "HMGET", "HSCAN", "HSET", "HSETNX", "HSTRLEN", "HVALS", "INFO",
    "LINDEX", "LLEN", "LPOP", "LPOS", "LPUSH", "LRANGE", "LREM", "LTRIM", "MGET", "PEXPIRE", "PTTL",
    "PUBLISH", "RPUSH", "SADD", "SCAN", "SCARD", "SCRIPT", "SET", "SISMEMBER", "SMEMBERS", "SMISMEMBER",
    "SMOVE", "SRANDMEMBER", "SREM", "SUBSCRIBE", "TIME", "TYPE", "UNSUBSCRIBE", "ZADD", "ZCARD", "ZCOUNT",
    "ZMSCORE", "ZPOPMIN", "ZRANGE", "ZRANGEBYSCORE", "ZREM", "ZREVRANGEBYSCORE", "ZSCAN", "ZSCORE",
)  # fmt: skip
"""Every command that tqd sends, or that its scripts call; a test holds it to the source."""

WORKER_CONNECTIONS = 4
"""Work, bell, errands, and one for tasks that enqueue."""

OTHER_CONNECTIONS = 8
"""The keeper's, and some for those who look."""

MOST_OFFSET_S = 2.0
CROWDED = 0.9
"""The share of `maxclients` at which more connections are a matter of luck."""


class Level(StrEnum):
    """How bad it is: an error breaks a promise or the daemon, a warning may."""

    ERROR = "error"
    WARNING = "warning"


class Advice(NamedTuple):
    """One finding: what is so, why it matters, and what to do."""

    level: Level
    check: str
    what: str
    why: str
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a Redis says of itself. `lpop_counts` tells whether LPOP takes more than one element at once."""

    info: Mapping[str, str]
    appendfsync: str | None
    missing: Sequence[str]
    lpop_counts: bool
    offset_s: float


_QUESTIONS: list[Command] = [
    ("TIME",), ("INFO",), ("CONFIG", "GET", "appendfsync"), ("COMMAND", "INFO", *COMMANDS),
]  # fmt: skip


def ask(link: SyncLink) -> Facts:
    """Ask for the facts; raises StoreUnavailable when Redis does not answer."""
    link.exchange([])  # opening the connection is no part of the way there and back
    asked, before_ms = monotonic(), wall_ms()
    replies = link.exchange(_QUESTIONS)
    return _facts(replies, before_ms, (monotonic() - asked) * 500)


async def aask(link: Link) -> Facts:
    """Ask for the facts; as `ask`."""
    await link.exchange([])
    asked, before_ms = monotonic(), wall_ms()
    replies = await link.exchange(_QUESTIONS)
    return _facts(replies, before_ms, (monotonic() - asked) * 500)


def _facts(replies: Replies, before_ms: int, half_ms: float) -> Facts:
    time, info, fsync, commands = replies
    known = {} if isinstance(commands, ResponseError) else _arities(commands)
    return Facts(
        info={} if isinstance(info, ResponseError) else _fields(info),
        appendfsync=_value(fsync),
        missing=[] if isinstance(commands, ResponseError) else [c for c in COMMANDS if c not in known],
        lpop_counts=known.get("LPOP", -2) < 0,
        offset_s=0.0 if isinstance(time, ResponseError) else (redis_ms(time) - before_ms - half_ms) / 1000,
    )


def connections(workers: int) -> int:
    """Return how many connections a daemon needs at most: in a reload there are two generations."""
    return 2 * WORKER_CONNECTIONS * workers + OTHER_CONNECTIONS


def diagnose(facts: Facts, connections: int) -> list[Advice]:
    """Return what is wrong; `connections` is how many the daemon of this configuration needs at most."""
    return [
        *_commands(facts), *_role(facts.info), *_durability(facts), *_memory(facts.info),
        *_clients(facts.info, connections), *_clock(facts.offset_s),
    ]  # fmt: skip


def _commands(facts: Facts) -> Iterator[Advice]:
    upgrade = "use Redis 6.2 or newer, or Valkey 7.2 or newer"
    if facts.missing:
        what = f"this server does not have {', '.join(facts.missing)}"
        yield Advice(Level.ERROR, "commands", what, "tqd cannot work without", upgrade)
    elif not facts.lpop_counts:
        why = "a claim takes many tasks in one call"
        yield Advice(Level.ERROR, "commands", "LPOP takes one element at a time here", why, upgrade)


def _role(info: Mapping[str, str]) -> Iterator[Advice]:
    if info.get("role") == "slave":
        master = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
        why = "nothing can be enqueued, claimed or settled there"
        yield Advice(
            Level.ERROR, "role", f"this is a replica of {master}", why, "point redis.url at the master"
        )


def _durability(facts: Facts) -> Iterator[Advice]:
    info = facts.info
    if info.get("aof_enabled") == "0":
        why = "a restart of Redis loses tasks that were acknowledged"
        do = "set appendonly yes and appendfsync everysec"
        yield Advice(Level.WARNING, "durability", "the append-only file is off", why, do)
        return
    if info.get("aof_last_write_status", "ok") != "ok":
        why = "Redis refuses writes, or loses them when it restarts"
        do = "look for a full disk or an error in the log of Redis"
        yield Advice(Level.ERROR, "durability", "the last write to the append-only file failed", why, do)
    if facts.appendfsync == "no":
        why = "a crash of the machine loses what the kernel had not written yet"
        yield Advice(
            Level.WARNING, "durability", "appendfsync is no", why, "set appendfsync everysec or always"
        )


def _memory(info: Mapping[str, str]) -> Iterator[Advice]:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return
    limited = info.get("maxmemory", "0") != "0"
    lost = (
        "queues, claims and payloads"
        if policy.startswith("allkeys")
        else "results and the memory of repeated calls"
    )
    why = f"{'a full Redis' if limited else 'with a maxmemory it'} throws away {lost}"
    level = Level.ERROR if limited and policy.startswith("allkeys") else Level.WARNING
    do = "set maxmemory-policy noeviction: producers are told then, consumers go on"
    yield Advice(level, "eviction", f"maxmemory-policy is {policy}", why, do)


def _clients(info: Mapping[str, str], needed: int) -> Iterator[Advice]:
    most, now = info.get("maxclients", ""), info.get("connected_clients", "0")
    if not most.isdigit():
        return
    do = f"set maxclients to {max(2 * needed, 2 * int(most))} or more, and its ulimit of open files"
    if int(most) < needed:
        what = f"maxclients is {most}, and this daemon needs {needed} connections"
        yield Advice(Level.ERROR, "clients", what, "workers cannot connect, a reload is refused", do)
    elif now.isdigit() and int(now) > CROWDED * int(most):
        what = f"{now} of {most} connections are in use"
        yield Advice(Level.WARNING, "clients", what, "soon nobody more can connect", do)


def _clock(offset_s: float) -> Iterator[Advice]:
    if abs(offset_s) > MOST_OFFSET_S:
        how = "ahead of" if offset_s > 0 else "behind"
        why = "tasks with an eta, and ages in `tqd status`, are off by as much"
        do = "synchronise both clocks, by chrony or systemd-timesyncd"
        what = f"the clock of Redis is {abs(offset_s):.1f} s {how} this host's"
        yield Advice(Level.WARNING, "clock", what, why, do)


def _arities(commands: Sequence[object]) -> dict[str, int]:
    rows = [row for row in commands if isinstance(row, list | tuple) and len(row) > 1]
    return {bytes(row[0]).decode().upper(): int(row[1]) for row in rows}


def _fields(info: object) -> dict[str, str]:
    text = info if isinstance(info, str) else bytes(info).decode()  # type: ignore[call-overload]
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name: value.strip() for name, _, value in pairs}


def _value(answer: object) -> str | None:
    if isinstance(answer, ResponseError) or not answer:
        return None
    values = list(answer.values()) if isinstance(answer, dict) else list(answer)  # type: ignore[call-overload]
    return bytes(values[-1]).decode()
