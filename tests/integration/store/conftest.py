"""The store's calls on every engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis_server import RedisServer
from tests.support.store_driver import StoreDriver


@pytest.fixture
def driver(every_engine: RedisServer) -> Iterator[StoreDriver]:
    """Every script by its Python call, on each engine, with the worker `w1` that may claim."""
    driver = StoreDriver(every_engine)
    driver.hire("w1")
    yield driver
    driver.fill(False)
    driver.close()
