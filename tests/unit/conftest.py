"""Unit tests compute: a guard forbids them to connect, to fork and to sleep.

A loop whose time is virtual (`loop.virtual` is true) may sleep as long as it likes.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")

FORBIDDEN: tuple[tuple[object, str], ...] = (
    (socket.socket, "connect"),
    (socket.socket, "connect_ex"),
    (socket.socket, "bind"),
    (os, "fork"),
    (os, "forkpty"),
    (os, "posix_spawn"),
    (os, "posix_spawnp"),
    (os, "system"),
    (subprocess.Popen, "__init__"),
    (time, "sleep"),
)


@pytest.fixture(autouse=True)
def _no_world(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in FORBIDDEN:
        monkeypatch.setattr(owner, name, _refusal(name))
    monkeypatch.setattr(asyncio, "sleep", _guarded(asyncio.sleep))


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail(f"a unit test called {name}(): pass a value in, or make it an integration test")

    return refuse


def _guarded(sleep: Callable[[float, T], Awaitable[T]]) -> Callable[..., Awaitable[T | None]]:
    async def guarded(delay: float, result: T | None = None) -> T | None:
        if delay > 0 and not getattr(asyncio.get_running_loop(), "virtual", False):
            pytest.fail(f"a unit test slept for {delay} s: use a loop with virtual time")
        return await sleep(delay, result)  # type: ignore[arg-type]

    return guarded
