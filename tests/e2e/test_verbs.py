"""start, status, stop and check as a user types them: what they print and how they end."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon, alive
from tests.support.wait import until
from tqd import TaskQueue


def test_a_daemon_starts_works_tells_its_status_and_stops(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "2", "-C", "3")
    for number in range(5):
        producer.enqueue("note", f"n{number}")
    producer.enqueue("plain", "p")
    producer.enqueue("fails")
    until(lambda: len(daemon.lines()) == 6, "all have run", 20)
    assert sorted(daemon.lines()) == ["n0", "n1", "n2", "n3", "n4", "p"]
    until(lambda: daemon.status()["totals"]["done"] == 6, "the beats have told", 20)
    until(lambda: daemon.status()["dead_letters"] == 1, "the keeper has told", 20)
    status = daemon.status()
    assert status["totals"]["failed"] == 1
    pids = daemon.pids()
    stopped = daemon.stop()
    assert (stopped.returncode, daemon.wait()) == (0, 0), stopped.stdout + stopped.stderr
    assert "has stopped" in stopped.stdout
    assert [pid for pid in pids if alive(pid)] == []


def test_the_status_has_the_shape_that_scripts_rely_on(daemon: Daemon) -> None:
    daemon.start("-w", "2", "-C", "7")
    until(lambda: all(row["slots"] for row in daemon.status()["workers"]), "all beats came", 20)
    status = daemon.status()
    assert status["state"] == "running" and status["problems"] == []
    assert status["master"]["pid"] == daemon.process.pid  # type: ignore[union-attr]
    assert status["master"]["uptime_s"] >= 0
    assert status["master"]["runtime_dir"] == str(daemon.runtime)
    assert alive(status["keeper"]["pid"])
    assert [row["id"] for row in status["workers"]] == ["worker-1", "worker-2"]
    for row in status["workers"]:
        assert alive(row["pid"])
        assert {"id", "pid", "state", "slots", "busy", "done", "failed", "rss_bytes"} <= row.keys()
        assert (row["state"], row["slots"], row["busy"]) == ("ready", 7, 0)
        assert row["rss_bytes"] > 1_000_000
    assert [row["name"] for row in status["queues"]] == ["high_priority", "default", "low_priority"]
    assert all((row["ready"], row["scheduled"]) == (0, 0) for row in status["queues"])
    table = daemon.tqd("status", "--runtime-dir", str(daemon.runtime))
    assert table.returncode == 0
    assert "worker-1" in table.stdout and "low_priority" in table.stdout


def test_a_detached_start_returns_when_it_is_ready(daemon: Daemon, producer: TaskQueue) -> None:
    started = daemon.tqd("start", "-d", *daemon.arguments("-w", "1"))
    assert started.returncode == 0, started.stderr
    assert daemon.status()["state"] == "running"
    assert str(daemon.master) in started.stdout
    producer.enqueue("note", "ran")
    daemon.wrote("ran")
    assert daemon.stop().returncode == 0
    assert daemon.status()["state"] == "not running"


def test_without_a_url_the_daemon_uses_and_shows_the_apps(make: Start, redis_url: str) -> None:
    app = f"""
        from tqd import TaskQueue
        tq = TaskQueue({redis_url!r})

        @tq.task
        async def job() -> None: ...
        """
    daemon = make(redis_url="", app=app).start("-w", "1")
    assert daemon.status()["master"]["redis_url"] == redis_url


def test_a_runtime_directory_in_the_file_is_where_stop_looks(daemon: Daemon) -> None:
    daemon.write("tqd.toml", f'[daemon]\nruntime_dir = "{daemon.runtime}"\n')
    started = daemon.tqd("start", "-d", "-A", daemon.target, "-r", daemon.redis_url, "-w", "1")
    assert started.returncode == 0, started.stderr
    assert daemon.status()["state"] == "running"
    stopped = daemon.tqd("stop")
    assert stopped.returncode == 0 and "has stopped" in stopped.stdout


def test_status_and_stop_of_what_is_not_running(daemon: Daemon) -> None:
    status = daemon.tqd("status", "--json", "--runtime-dir", str(daemon.runtime))
    assert (status.returncode, json.loads(status.stdout)["state"]) == (3, "not running")
    assert daemon.tqd("status", "--runtime-dir", str(daemon.runtime)).returncode == 3
    assert daemon.stop().returncode == 0


def test_a_stale_pidfile_and_socket_are_no_obstacle(daemon: Daemon) -> None:
    daemon.start("-w", "1")
    os.kill(daemon.master, signal.SIGKILL)
    daemon.wait()
    assert daemon.status()["state"] == "not running"
    daemon.start("-w", "1")
    assert daemon.stop().returncode == 0


def test_a_second_start_in_the_same_directory_is_refused(daemon: Daemon) -> None:
    daemon.start("-w", "1")
    for more in ((), ("-d",)):
        second = daemon.tqd("start", *more, *daemon.arguments())
        assert second.returncode == 73
        assert str(daemon.master) in second.stderr and "--runtime-dir" in second.stderr
    assert daemon.status()["state"] == "running"


# -- what keeps it from starting ------------------------------------------------------------------

BROKEN = {
    "import error": ("import shop_parts_that_are_missing\n", "shop_parts_that_are_missing"),
    "raises": ("def build():\n    return 1 / 0\nbuild()\n", "ZeroDivisionError"),
    "syntax error": ("def (:\n", "SyntaxError"),
    "exits": ("raise SystemExit(0)\n", "SystemExit"),
    "other attribute": (APP.replace("tq = ", "queue = tq = ").replace("\ntq", "\nt") + "\ndel tq\n", "queue"),
    "no task": ("from tqd import TaskQueue\ntq = TaskQueue()\n", "no task"),
    "long and not ascii": (f"raise ValueError({'ä€' * 3000!r})\n", "ä€"),
}


@pytest.mark.parametrize(("kind", "detached"), [*((kind, False) for kind in BROKEN), ("raises", True)])
def test_an_app_that_cannot_be_loaded_is_told_with_its_traceback(
    make: Start, kind: str, detached: bool
) -> None:
    source, words = BROKEN[kind]
    daemon = make(source)
    flags = ["-d"] if detached else []
    result = daemon.tqd("start", *flags, *daemon.arguments("-w", "2"))
    assert result.returncode == 78, result.stderr
    assert words in result.stderr
    if kind == "raises":
        assert "in build" in result.stderr and "importlib" not in result.stderr.partition("tqd: ")[2]
    assert daemon.status()["state"] == "not running"


def test_a_module_that_is_not_there_is_named(make: Start) -> None:
    daemon = make()
    daemon.target = "shopp:tq"
    result = daemon.tqd("start", *daemon.arguments("-w", "1"))
    assert result.returncode == 78
    assert "shopp" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("detached", [False, True], ids=["foreground", "detached"])
def test_a_redis_that_is_down_at_the_start_is_unavailable(make: Start, detached: bool) -> None:
    daemon = make(redis_url="redis://127.0.0.1:1")
    result = daemon.tqd("start", *(["-d"] if detached else []), *daemon.arguments("-w", "1"))
    assert result.returncode == 69
    assert "127.0.0.1:1" in result.stderr


def test_a_wrong_flag_is_a_usage_error(daemon: Daemon) -> None:
    for arguments in (("start", "--frobnicate"), ("status", "-w"), ("frobnicate",)):
        result = daemon.tqd(*arguments)
        assert result.returncode == 64
        assert "--help" in result.stderr


def test_no_app_is_a_configuration_error(daemon: Daemon) -> None:
    result = daemon.tqd("start", "--runtime-dir", str(daemon.runtime))
    assert result.returncode == 78 and "--app" in result.stderr


def test_an_unknown_configuration_key_is_told_with_its_nearest_name(daemon: Daemon) -> None:
    daemon.write("tqd.toml", "[workers]\ninital_count = 2\n[redis]\nurl = 7\n")
    for verb in ("start", "check"):
        result = daemon.tqd(verb, "-A", "shop:tq", "--runtime-dir", str(daemon.runtime))
        assert result.returncode == 78
        assert "inital_count" in result.stderr and "initial_count" in result.stderr
        assert "redis.url" in result.stderr, "all errors at once"


# -- check ----------------------------------------------------------------------------------------


def test_check_says_what_a_start_would_run(daemon: Daemon) -> None:
    result = daemon.tqd("check", *daemon.arguments())
    assert result.returncode == 0, result.stderr
    for name in ("note", "plain", "fails", "waits", "blocks"):
        assert name in result.stdout
    asked = daemon.tqd("check", "--json", *daemon.arguments())
    answer = json.loads(asked.stdout)
    assert (asked.returncode, answer["app"], answer["redis_url"]) == (0, "shop:tq", daemon.redis_url)
    rows = {row["name"]: row for row in answer["tasks"]}
    assert rows["plain"]["kind"] == "thread" and rows["plain"]["queue"] == "high_priority"
    assert rows["note"]["kind"] == "async" and rows["fails"]["max_retries"] == 0


def test_a_setting_that_stands_elsewhere_is_told_by_check_and_by_a_reload(daemon: Daemon) -> None:
    words = "[adaptive] is understood as [autoscaler.adaptive]"
    daemon.write("tqd.toml", "[adaptive]\nenabled = false\n")
    assert f"  warning: tqd.toml: {words}" in daemon.tqd("check", *daemon.arguments()).stdout
    told = json.loads(daemon.tqd("check", "--json", *daemon.arguments()).stdout)["warnings"]
    assert told[0].endswith("autoscaler.enable_adaptive_thresholds: write it there")
    daemon.start("-w", "1")
    assert f"warning: tqd.toml: {words}" in daemon.reload().stderr


def test_check_of_a_broken_app_fails_as_a_start_would(make: Start) -> None:
    daemon = make("def build():\n    return 1 / 0\nbuild()\n")
    for more in ((), ("--json",)):
        result = daemon.tqd("check", *more, *daemon.arguments())
        assert result.returncode == 78
        assert "ZeroDivisionError" in result.stderr and "in build" in result.stderr


def test_the_environment_and_a_file_configure_as_flags_do(make: Start) -> None:
    daemon = make(TQD_WORKERS__INITIAL_COUNT="1", TQD_RUNTIME_DIR="")
    daemon.environ["TQD_RUNTIME_DIR"] = str(daemon.runtime)
    daemon.write("tqd.toml", f'[tasks]\napp = "shop:tq"\n[redis]\nurl = "{daemon.redis_url}"\n')
    started = daemon.tqd("start", "-d")
    assert started.returncode == 0, started.stderr
    assert len(daemon.status()["workers"]) == 1
    assert daemon.tqd("stop").returncode == 0
