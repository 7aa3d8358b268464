"""A Redis that lets in only who is known: over TLS, as a user with few rights, with a secret from a file."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.support.certificates import Certificates
from tests.support.daemon import Daemon
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskCancelled, TaskQueue, TaskState
from tqd.store.access_rule import access_rule

USER, PASSWORD, KEY = "shop", "pass-w0rd-of-redis", "signing-key-of-the-shop"

ENDS = """
import asyncio, os
from tqd import Context, Discard, TaskQueue

tq = TaskQueue()

@tq.task(name="adds", result_ttl=60)
async def adds(one: int, two: int) -> int:
    return one + two

@tq.task(name="flaky", max_retries=2, retry_delay=0.05, result_ttl=60)
async def flaky(ctx: Context) -> int:
    if ctx.attempt < 2:
        raise ValueError("once")
    return ctx.attempt

@tq.task(name="fails", max_retries=0)
async def fails():
    raise ValueError("on purpose")

@tq.task(name="gone", result_ttl=60)
async def gone():
    raise Discard("no more")

@tq.task(name="sleeps", result_ttl=60)
async def sleeps():
    await asyncio.sleep(60)

@tq.every("1s", name="often", args=[1, 1])
@tq.task(name="regular")
async def regular(one: int, two: int):
    pass

@tq.task(name="dies", max_retries=1)
async def dies(ctx: Context):
    if ctx.fence < 2:
        os.kill(os.getpid(), 9)
"""


# -- a user with few rights -----------------------------------------------------------------------


@pytest.fixture
def guarded(every_engine: RedisServer) -> Iterator[RedisServer]:
    """A server that has a user with no more rights than tqd asks for."""
    rule = access_rule(USER, "tqd").replace("PASSWORD", PASSWORD)
    every_engine.client.execute_command("ACL", "SETUSER", *rule.split())
    every_engine.client.execute_command("ACL", "LOG", "RESET")
    yield every_engine
    every_engine.client.execute_command("ACL", "DELUSER", USER)


def test_a_user_with_the_documented_rights_can_do_all_that_tqd_does(
    make: Start, guarded: RedisServer, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    url = f"unix://{USER}@{guarded.socket}"
    daemon = make(ENDS, url, TQD_REDIS__PASSWORD_FILE=str(secret))
    daemon.start("-w", "2")
    with TaskQueue(f"unix://{USER}:{PASSWORD}@{guarded.socket}") as producer:
        exercise(daemon, producer)
        daemon.verb("scale", "1")
        assert daemon.reload().returncode == 0
        assert producer.enqueue("adds", 3, 4).result(timeout=20) == 7
    assert daemon.stop().returncode == 0
    denied = {str(row["object"]) for row in log_of(guarded) if row["username"] == USER}
    assert denied <= {"config", "config|get"}, "only what the doctor may do without"
    assert PASSWORD not in daemon.output()


def exercise(daemon: Daemon, producer: TaskQueue) -> None:
    """Use every path: results, delays, retries, deaths, replay, look-ups, the doctor."""
    assert producer.enqueue("adds", 1, 2).result(timeout=20) == 3
    assert producer.named("adds").using(delay=0.1).enqueue(1, 2).result(timeout=20) == 3
    assert producer.enqueue("flaky").result(timeout=20) == 2
    producer.enqueue("dies")
    producer.enqueue("nobody-knows")
    adds = producer.named("adds")
    first = adds.using(unique="one", delay=60).enqueue(1, 2)
    assert adds.using(unique="one").enqueue(1, 2).id == first.id
    assert first.cancel()
    running = producer.enqueue("sleeps")
    until(lambda: running.status() is TaskState.CLAIMED, "it runs", 20)
    assert running.cancel()
    with pytest.raises(TaskCancelled):
        running.result(timeout=20)
    dead = producer.enqueue("fails")
    until(lambda: producer.dead.count() == 1, "it is dead", 20)
    assert producer.dead.replay(dead.id).done == 1
    until(lambda: producer.dead.count() == 1, "it is dead again", 20)
    for verb, *more in (
        ("cron", "ls"), ("cron", "run", "often"), ("dead", "ls"), ("dead", "show", dead.id),
        ("task", "show", dead.id), ("task", "ls"),
        ("dead", "purge", "--all"),
    ):  # fmt: skip
        told = daemon.tqd(verb, *more, "--redis-url", daemon.redis_url)
        assert told.returncode == 0, told.stderr
    until(lambda: not producer.dead.count(), "it is purged", 20)
    told = daemon.tqd("doctor", *daemon.arguments("--audit", "--json"))
    findings = json.loads(told.stdout)
    assert findings["audit"]["findings"] == []
    assert {one["check"] for one in findings["findings"]} <= {"durability"}


def log_of(server: RedisServer) -> list[dict[str, object]]:
    rows = server.client.acl_log()
    return [{_text(k): _text(v) for k, v in row.items()} for row in rows]  # type: ignore[union-attr]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def test_the_doctor_prints_the_rule_and_needs_no_redis_for_it(make: Start) -> None:
    daemon = make(redis_url="unix:///nowhere/redis.sock")
    told = daemon.tqd("doctor", "--acl", USER, "--redis-url", daemon.redis_url)
    assert told.returncode == 0, told.stderr
    assert told.stdout == f"ACL SETUSER {access_rule(USER, 'tqd')}\n"


# -- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def tls(certificates: Certificates, port: int) -> Iterator[RedisServer]:
    """A server that speaks TLS on a port, and wants a certificate of its clients."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server with TLS on PATH")
    certificate, key = certificates.issue("server")
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    with RedisServer(
        binary, *options, "--tls-ca-cert-file", str(certificates.ca), "--bind", "127.0.0.1"
    ) as server:
        yield server


def test_everything_goes_over_tls_with_a_certificate_of_the_client(
    make: Start, tls: RedisServer, port: int, certificates: Certificates, tmp_path: Path
) -> None:
    certificate, key = certificates.issue("client", "tqd")
    keys = tmp_path / "signing-keys"
    keys.write_text(KEY + "\n")
    daemon = make(ENDS, "")
    path = daemon.write(
        "tqd.toml",
        f"""
        [redis]
        url = "rediss://localhost:{port}"
        ca_file = "{certificates.ca}"
        cert_file = "{certificate}"
        key_file = "{key}"
        [security]
        signing_keys_file = "{keys}"
        """,
    )
    daemon.start("-w", "1")
    with TaskQueue.from_config(str(path), {}) as producer, TaskQueue(tls.url) as stranger:
        assert producer.enqueue("adds", 1, 2).result(timeout=20) == 3
        assert producer.enqueue("flaky").result(timeout=20) == 2
        unsigned = stranger.enqueue("adds", 5, 5)
        until(lambda: stranger.dead.count() == 1, "what is not signed is buried", 20)
        letter = stranger.dead.get(unsigned.id)
        assert letter is not None and letter.reason == "unsigned"
        assert daemon.tqd("doctor", "-A", daemon.target).returncode in (0, 1)
        keys.write_text("another-signing-key\n" + KEY + "\n")
        assert daemon.reload().returncode == 0, "new keys are taken over by a reload"
        assert producer.enqueue("adds", 2, 2).result(timeout=20) == 4
        with TaskQueue.from_config(str(path), {}) as newer:
            assert newer.enqueue("adds", 3, 3).result(timeout=20) == 6
        keys.write_text("short\n")
        refused = daemon.reload()
        assert refused.returncode == 1 and "signing key 1 is of 5 bytes" in refused.stderr + refused.stdout
    assert KEY not in daemon.output()


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("another authority", "certificate verify failed"),
        ("no certificate", "certificate required|closed|reset"),
    ],
)
def test_who_is_not_trusted_is_told_so(
    make: Start,
    tls: RedisServer,
    port: int,
    certificates: Certificates,
    tmp_path: Path,
    trouble: str,
    said: str,
) -> None:
    ca = Certificates(tmp_path / "other", "other").ca if trouble == "another authority" else certificates.ca
    daemon = make(ENDS, f"rediss://localhost:{port}", TQD_REDIS__CA_FILE=str(ca))
    told = daemon.tqd("start", *daemon.arguments("-w", "1"))
    assert told.returncode == 69, told.stderr
    assert any(word in told.stderr for word in said.split("|")), told.stderr


# -- secrets --------------------------------------------------------------------------------------


def test_no_secret_is_in_a_command_line_an_environment_of_a_child_or_the_log(
    make: Start, guarded: RedisServer, tmp_path: Path
) -> None:
    secret, keys = tmp_path / "password", tmp_path / "keys"
    secret.write_text(PASSWORD)
    keys.write_text(KEY)
    daemon = make(
        ENDS,
        f"unix://{USER}@{guarded.socket}",
        TQD_REDIS__PASSWORD_FILE=str(secret),
        TQD_SECURITY__SIGNING_KEYS_FILE=str(keys),
    )
    daemon.start("-w", "1", "--log-level", "trace")
    for pid in daemon.pids():
        for name in ("cmdline", "environ"):
            content = Path(f"/proc/{pid}/{name}").read_bytes()
            assert PASSWORD.encode() not in content and KEY.encode() not in content
    shown = daemon.verb("status", "--json").stdout
    assert daemon.reload().returncode == 0
    daemon.stop()
    for text in (shown, daemon.output()):
        assert PASSWORD not in text and KEY not in text
