"""What a Redis says of itself, and the advice that follows."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

import tqd.store
from tqd.store.checkup import COMMANDS, Facts, Level, diagnose
from tqd.store.scripts import BY_SHA

GOOD = Facts(
    info={
        "redis_version": "7.0.15",
        "role": "master",
        "aof_enabled": "1",
        "aof_last_write_status": "ok",
        "maxmemory": "0",
        "maxmemory_policy": "noeviction",
        "maxclients": "10000",
        "connected_clients": "12",
    },
    appendfsync="everysec",
    missing=(),
    lpop_counts=True,
    offset_s=0.1,
)

INFO = [
    ({"role": "slave", "master_host": "h", "master_port": "1"}, Level.ERROR, "replica of h:1"),
    ({"aof_enabled": "0"}, Level.WARNING, "append-only file is off"),
    ({"aof_last_write_status": "err"}, Level.ERROR, "last write to the append-only file failed"),
    ({"maxmemory_policy": "allkeys-lru"}, Level.WARNING, "maxmemory-policy is allkeys-lru"),
    ({"maxmemory_policy": "allkeys-lfu", "maxmemory": "9"}, Level.ERROR, "maxmemory-policy is allkeys-lfu"),
    (
        {"maxmemory_policy": "volatile-ttl", "maxmemory": "9"},
        Level.WARNING,
        "maxmemory-policy is volatile-ttl",
    ),
    ({"maxclients": "39"}, Level.ERROR, "maxclients is 39, and this daemon needs 40 connections"),
    ({"maxclients": "100", "connected_clients": "91"}, Level.WARNING, "91 of 100 connections are in use"),
]
REST = [
    ({"missing": ("LPOS",)}, Level.ERROR, "this server does not have LPOS"),
    ({"lpop_counts": False}, Level.ERROR, "LPOP takes one element"),
    ({"appendfsync": "no"}, Level.WARNING, "appendfsync is no"),
    ({"offset_s": 3600.0}, Level.WARNING, "the clock of Redis is 3600.0 s ahead of this host's"),
    ({"offset_s": -2.5}, Level.WARNING, "the clock of Redis is 2.5 s behind this host's"),
]


def test_a_redis_that_is_fit_gets_no_advice() -> None:
    assert diagnose(GOOD, 40) == []


def test_what_redis_does_not_say_is_no_reason_to_warn() -> None:
    assert diagnose(Facts(info={}, appendfsync=None, missing=(), lpop_counts=True, offset_s=0.0), 40) == []


@pytest.mark.parametrize(("info", "level", "what"), INFO, ids=[what for _, _, what in INFO])
def test_each_thing_that_info_tells_is_named(info: dict[str, str], level: Level, what: str) -> None:
    (one,) = diagnose(replace(GOOD, info={**GOOD.info, **info}), 40)
    assert one.level is level and what in one.what
    assert one.why and one.do


@pytest.mark.parametrize(("change", "level", "what"), REST, ids=[what for _, _, what in REST])
def test_each_other_thing_is_named(change: dict[str, object], level: Level, what: str) -> None:
    (one,) = diagnose(replace(GOOD, **change), 40)  # type: ignore[arg-type]
    assert one.level is level and what in one.what
    assert one.why and one.do


def test_every_command_of_the_source_is_asked_for() -> None:
    """The first words of tuples in capitals are commands; so is what the scripts call."""
    used = {name for one in BY_SHA.values() for name in re.findall(r"redis\.p?call\('([A-Z]+)'", one.source)}
    folder = Path(tqd.store.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Tuple) and len(node.elts) > 0 and isinstance(node.elts[0], ast.Constant):
                word = node.elts[0].value
                if isinstance(word, str) and re.fullmatch("[A-Z]{3,}", word) and path.name != "checkup.py":
                    used.add(word)
        # A command that is chosen between two stands alone.
        used |= set(re.findall(r'"(ZREVRANGE[A-Z]+)"', path.read_text()))
    assert len(used) > 40
    assert used - set(COMMANDS) == set()
