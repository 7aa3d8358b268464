"""`tqd doctor` as a user types it, against every engine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.engines import Engine
from tests.support.redis_server import RedisServer
from tests.support.store_driver import identity
from tqd import TaskQueue
from tqd.store.keys import Keys

ROOT = Path(__file__).parents[3]
KEYS = Keys("tqd")


def doctor(
    server: RedisServer | str, directory: Path, *arguments: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    url = server if isinstance(server, str) else server.url
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TQD_", "REDIS_"))}
    return subprocess.run(
        [sys.executable, "-m", "tqd", "doctor", "--redis-url", url, *arguments],
        env=kept | {"PYTHONPATH": str(ROOT)} | environ,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def checks(server: RedisServer, directory: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """Return the findings of a check by their names; the exit code says whether there are any."""
    told = doctor(server, directory, "--json", *arguments)
    answer = json.loads(told.stdout)
    assert told.returncode == (1 if answer["findings"] else 0), told.stderr
    return {one["check"]: one for one in answer["findings"]}


def test_a_redis_that_is_fit_is_told_to_be_well(engine: Engine, tmp_path: Path) -> None:
    with RedisServer(engine.binary, appendonly=True) as server:
        told = doctor(server, tmp_path, "--audit")
    assert (told.returncode, told.stderr) == (0, "")
    (only,) = told.stdout.splitlines()
    name = "Valkey 9." if engine.name == "valkey9" else "Redis "
    assert only.startswith(name)
    assert only.endswith("all is well; 0 tasks of the namespace tqd looked at")


def test_each_trouble_of_a_redis_is_one_line(every_engine: RedisServer, tmp_path: Path) -> None:
    every_engine.client.config_set("maxmemory-policy", "allkeys-lru")
    every_engine.client.config_set("maxmemory", "1gb")
    try:
        told = doctor(every_engine, tmp_path)
    finally:
        every_engine.client.config_set("maxmemory", 0)
        every_engine.client.config_set("maxmemory-policy", "noeviction")
    assert told.returncode == 1
    durability, eviction, verdict = told.stdout.splitlines()
    assert durability.startswith("warning: durability: the append-only file is off: a restart of Redis loses")
    assert eviction.startswith("error: eviction: maxmemory-policy is allkeys-lru: a full Redis throws away")
    assert durability.endswith("; set appendonly yes and appendfsync everysec")
    assert verdict.endswith(": 2 findings")


def test_too_few_connections_are_named_with_the_number_that_is_needed(engine: Engine, tmp_path: Path) -> None:
    with RedisServer(engine.binary, "--maxclients", "50", appendonly=True) as server:
        assert checks(server, tmp_path, "--workers", "4") == {}
        (found,) = checks(server, tmp_path, "--workers", "6").values()
    assert found["level"] == "error"
    assert "maxclients is 50, and this daemon needs 56 connections" in found["what"]


def test_a_replica_is_named_with_its_master(engine: Engine, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        port = nobody.getsockname()[1]
        with RedisServer(engine.binary, "--replicaof", "127.0.0.1", str(port), appendonly=True) as server:
            found = checks(server, tmp_path)["role"]
    assert (found["level"], found["do"]) == ("error", "point redis.url at the master")
    assert found["what"] == f"this is a replica of 127.0.0.1:{port}"


def test_a_server_without_a_command_is_found_by_the_command(engine: Engine, tmp_path: Path) -> None:
    with RedisServer(engine.binary, "--rename-command", "LPOS", "", appendonly=True) as server:
        found = checks(server, tmp_path)["commands"]
    assert (found["level"], found["what"]) == ("error", "this server does not have LPOS")


def test_what_may_not_be_asked_is_no_finding(engine: Engine, tmp_path: Path) -> None:
    with RedisServer(engine.binary, "--rename-command", "CONFIG", "", appendonly=True) as server:
        assert checks(server, tmp_path) == {}


@pytest.mark.parametrize("flags", [(), ("--json",), ("--audit",)], ids=" ".join)
def test_no_redis_is_exit_69(tmp_path: Path, flags: tuple[str, ...]) -> None:
    told = doctor(f"unix://{tmp_path}/nobody", tmp_path, *flags)
    assert told.returncode == 69
    if "--json" in flags:
        assert json.loads(told.stdout)["reachable"] is False
    else:
        assert "cannot be reached" in told.stderr and told.stdout == ""


def test_an_audit_names_what_is_wrong_and_a_repair_mends_it(
    every_engine: RedisServer, tmp_path: Path
) -> None:
    every_engine.client.hset(KEYS.task, identity(1), "garbage")
    told = doctor(every_engine, tmp_path, "--audit")
    assert told.returncode == 1
    assert f"error: audit: task {identity(1).hex()}: payload belongs to a task" in told.stdout
    assert "--repair puts the task back into its queue" in told.stdout
    repaired = doctor(every_engine, tmp_path, "--repair", "--json")
    assert repaired.returncode == 1
    (found,) = json.loads(repaired.stdout)["audit"]["findings"]
    assert (found["kind"], found["task"]) == ("no_place", identity(1).hex())
    assert found["mended"] == "put into ready:high_priority"
    assert json.loads(doctor(every_engine, tmp_path, "--audit", "--json").stdout)["audit"]["findings"] == []


def test_the_app_tells_url_and_namespace(redis_server: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        f"from tqd import TaskQueue\ntq = TaskQueue({redis_server.url!r}, namespace='shop')\n"
        "@tq.task(name='work')\nasync def work(): ...\n"
    )
    with TaskQueue(redis_server.url, namespace="shop") as queue:
        queue.enqueue("work")
    command = [sys.executable, "-m", "tqd", "doctor", "-A", "shop:tq", "--audit"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TQD_", "REDIS_"))}
    told = subprocess.run(
        command, env=kept | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True,
        timeout=40, check=False,
    )  # fmt: skip
    assert "1 task of the namespace shop looked at" in told.stdout, told.stderr


def test_a_password_is_shown_nowhere(engine: Engine, tmp_path: Path) -> None:
    with RedisServer(engine.binary, appendonly=True) as server:
        server.client.config_set("requirepass", "hush-hush")
        refused = doctor(server, tmp_path)
        url = server.url.replace("unix://", "unix://:hush-hush@")
        told = [doctor(url, tmp_path), doctor(url, tmp_path, "--json")]
    assert refused.returncode == 78 and "user and password" in refused.stderr
    assert [one.returncode for one in told] == [0, 0], told[0].stderr
    assert all("hush-hush" not in one.stdout + one.stderr for one in told)
