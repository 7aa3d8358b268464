"""The worker in process, on a real Redis."""

from __future__ import annotations

import pytest

from tests.support.redis_server import RedisServer
from tests.support.worker import Bench


@pytest.fixture
def bench(redis_server: RedisServer) -> Bench:
    return Bench(redis_server)
