"""The guard that keeps unit tests off the world."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Callable

import pytest


def connect() -> None:
    with socket.socket(socket.AF_UNIX) as nowhere:
        nowhere.connect("/nowhere")


WORLD: dict[str, Callable[[], object]] = {
    "connect": connect,
    "fork": lambda: os.fork(),  # looked up late: the guard replaces it
    "subprocess": lambda: subprocess.run(["true"], check=True),
    "sleep": lambda: time.sleep(0),
    "asyncio sleep": lambda: asyncio.run(asyncio.sleep(0.001)),
}


@pytest.mark.parametrize("name", WORLD)
def test_a_unit_test_cannot_touch_the_world(name: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="a unit test"):
        WORLD[name]()


def test_a_loop_may_run_and_yield() -> None:
    asyncio.run(asyncio.sleep(0))
