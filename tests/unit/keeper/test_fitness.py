"""What is said of a Redis at the start, and what refuses it."""

from __future__ import annotations

import logging

import pytest

from tqd.keeper.fitness import refusal, tell
from tqd.log import Log
from tqd.store.checkup import Advice, Level

EVICTION = Advice(Level.ERROR, "eviction", "maxmemory-policy is allkeys-lru", "throws away", "set noeviction")
DURABILITY = Advice(Level.WARNING, "durability", "the append-only file is off", "loses", "set appendonly")
COMMANDS = Advice(Level.ERROR, "commands", "this server does not have LPOS", "cannot work", "use Redis 6.2")


def test_each_finding_is_a_line_of_its_level(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tqd"):
        tell([EVICTION, DURABILITY], Log(role="keeper"))
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("ERROR", "redis: maxmemory-policy is allkeys-lru"),
        ("WARNING", "redis: the append-only file is off"),
    ]


def test_only_missing_commands_refuse_a_start() -> None:
    assert refusal([]) == refusal([EVICTION, DURABILITY]) == ""
    assert refusal([EVICTION, COMMANDS]) == (
        "this Redis cannot be used: this server does not have LPOS: cannot work; use Redis 6.2"
    )
