"""A queue on a private server, and a worker that settles by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hand_worker import HandWorker
from tqd import TaskQueue


@pytest.fixture
def tq(redis_url: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url) as queue:
        yield queue


@pytest.fixture
def worker(tq: TaskQueue) -> HandWorker:
    return HandWorker(tq)
