"""What the keeper's parts say in the log."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from tqd import log


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What is logged."""
    root, stream = logging.getLogger(), io.StringIO()
    level, handlers = root.level, list(root.handlers)
    log.configure("info", "compact", stream)
    yield stream
    root.setLevel(level)
    root.handlers[:] = handlers
