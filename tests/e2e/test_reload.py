"""Reloads of the real daemon: new code, refused code, changed settings, and what goes on meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon, alive
from tests.support.wait import until
from tqd import TaskQueue

SLOW = "import time\ntime.sleep(1.0)\n"


def versioned(version: str) -> str:
    """Return an app whose task tells its version; of a length of its own, so that it is compiled anew."""
    return (
        APP + f'\n@tq.task(name="version")\nasync def version(line: str):\n    write(line + ".{version}")\n'
    )


def generation(daemon: Daemon) -> int:
    return int(daemon.status()["generation"])


def test_a_reload_brings_the_new_code_and_leaves_the_master_and_the_keeper(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make(versioned("one")).start("-w", "2")
    master, keeper, before = daemon.master, daemon.keeper, set(daemon.workers().values())
    daemon.write("shop.py", versioned("three"))
    reloaded = daemon.reload()
    assert reloaded.returncode == 0, reloaded.stderr
    assert "generation 2 serves" in reloaded.stdout
    after = daemon.workers()
    assert len(after) == 2 and not before & set(after.values())
    assert not any(alive(pid) for pid in before)
    assert (daemon.master, daemon.keeper) == (master, keeper)
    producer.enqueue("version", "t")
    daemon.wrote("t.three")


def test_a_reload_that_cannot_be_imported_is_refused_and_changes_nothing(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make(versioned("one")).start("-w", "2")
    before = daemon.workers()
    daemon.write("shop.py", "import nothing_of_that_name\n" + APP)
    refused = daemon.reload()
    assert refused.returncode == 1
    assert "nothing_of_that_name" in refused.stderr and "Traceback" in refused.stderr
    assert daemon.workers() == before
    status = daemon.status()
    assert (status["state"], status["generation"], status["last_reload"]["ok"]) == ("running", 1, False)
    producer.enqueue("version", "t")
    daemon.wrote("t.one")
    daemon.write("shop.py", versioned("repaired"))
    assert daemon.reload().returncode == 0
    producer.enqueue("version", "u")
    daemon.wrote("u.repaired")


def test_a_broken_configuration_refuses_the_reload_with_all_its_errors(daemon: Daemon) -> None:
    config = daemon.write("tqd.toml", "[workers]\nmax_concurrent_tasks = 4\n")
    daemon.start("-w", "1", "-c", str(config))
    before = daemon.workers()
    config.write_text("[workers]\nmax_concurent_tasks = 8\nhung_after = -1\n")
    refused = daemon.reload()
    assert refused.returncode == 1
    assert "max_concurent_tasks" in refused.stderr and "workers.max_concurrent_tasks" in refused.stderr
    assert "workers.hung_after" in refused.stderr
    assert daemon.workers() == before


def test_settings_are_taken_over_by_their_class_and_a_restart_is_said(daemon: Daemon) -> None:
    config = daemon.write("tqd.toml", "[workers]\nmax_concurrent_tasks = 4\ninitial_count = 1\n")
    daemon.start("-c", str(config))
    config.write_text(
        "[workers]\nmax_concurrent_tasks = 7\ninitial_count = 3\n[redis]\nnamespace = 'other'\n"
    )
    reloaded = daemon.reload()
    assert reloaded.returncode == 0, reloaded.stderr
    said = reloaded.stdout + reloaded.stderr
    assert "redis.namespace" in said and "restart" in said
    status = daemon.status()
    assert [worker["slots"] for worker in status["workers"]] == [7, 7, 7]
    assert any("redis.namespace" in note for note in status["notes"])


def test_changed_queues_reach_the_keeper_as_well(daemon: Daemon, producer: TaskQueue) -> None:
    config = daemon.write("tqd.toml", "[queues]\nnames = ['default']\n")
    daemon.start("-w", "1", "-c", str(config))
    config.write_text("[queues]\nnames = ['mail', 'default']\n")
    assert daemon.reload().returncode == 0
    until(
        lambda: [queue["name"] for queue in daemon.status()["queues"]] == ["mail", "default"],
        "the keeper samples the new queues",
        20,
    )
    producer.named("note").using(queue="mail").enqueue("by-mail")
    daemon.wrote("by-mail")


def test_sighup_reloads_too(make: Start, producer: TaskQueue) -> None:
    daemon = make(versioned("one")).start("-w", "1")
    daemon.write("shop.py", versioned("three"))
    daemon.signal(signal.SIGHUP)
    until(lambda: generation(daemon) == 2, "the second generation serves", 20)
    producer.enqueue("version", "t")
    daemon.wrote("t.three")


def test_a_running_task_finishes_in_the_old_worker_and_the_reload_waits_for_it(
    daemon: Daemon, producer: TaskQueue
) -> None:
    daemon.start("-w", "1")
    producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    serving = daemon.reload("--serving")
    assert serving.returncode == 0
    assert len(daemon.status()["workers"]) == 2
    impatient = daemon.reload("--timeout", "0.5")
    assert impatient.returncode == 1
    (daemon.directory / "journal.gate").touch()
    daemon.wrote("t.done")
    until(lambda: generation(daemon) == 3 and len(daemon.workers()) == 1, "both reloads are through", 30)
    assert daemon.lines() == ["t.started", "t.done"]


def test_what_an_old_worker_cannot_finish_goes_to_a_new_one_without_costing_an_attempt(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make(TQD_WORKERS__SHUTDOWN_GRACE_PERIOD="1.5").start("-w", "1")
    producer.named("waits").using(max_retries=0).enqueue("t")
    daemon.wrote("t.started")
    assert daemon.reload().returncode == 0
    daemon.wrote("t.started", times=2)
    (daemon.directory / "journal.gate").touch()
    daemon.wrote("t.done")


def test_a_stop_in_the_middle_of_a_reload_wins(make: Start) -> None:
    daemon = make(APP).start("-w", "1")
    daemon.write("shop.py", SLOW + APP)
    reload = subprocess.Popen(
        [sys.executable, "-m", "tqd", "reload", "--runtime-dir", str(daemon.runtime)],
        cwd=daemon.directory,
        env=daemon.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: daemon.status()["state"] == "reloading", "the reload has begun", 20)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    _, error = reload.communicate(timeout=20)
    assert reload.returncode == 1
    assert "stopping" in error


def test_a_new_worker_that_never_gets_ready_refuses_the_reload(make: Start) -> None:
    daemon = make(APP, TQD_WORKERS__BOOT_TIMEOUT="2").start("-w", "1")
    before = daemon.workers()
    daemon.write("shop.py", "import time\ntime.sleep(600)\n" + APP)
    refused = daemon.reload()
    assert refused.returncode == 1
    assert "not ready in time" in refused.stderr
    assert daemon.workers() == before


def test_a_link_that_a_deploy_switches_is_followed_anew(make: Start, producer: TaskQueue) -> None:
    daemon = make()
    for version in ("one", "three"):
        (daemon.directory / version).mkdir()
        (daemon.directory / version / "deployed.py").write_text(versioned(version))
    link = daemon.directory / "current"
    link.symlink_to("one")
    daemon.target = "deployed:tq"
    config = daemon.write("tqd.toml", "[tasks]\ndirectory = 'current'\n")
    daemon.start("-w", "1", "-c", str(config))
    producer.enqueue("version", "t")
    daemon.wrote("t.one")
    (daemon.directory / "next").symlink_to("three")
    os.replace(daemon.directory / "next", link)
    assert daemon.reload().returncode == 0
    producer.enqueue("version", "u")
    daemon.wrote("u.three")


def test_reloads_under_load_lose_nothing_and_run_nothing_twice(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "2", "-C", "8")
    enqueued: list[str] = []
    going = threading.Event()

    def feed() -> None:
        with TaskQueue(daemon.redis_url) as queue:
            while not going.is_set():
                batch = [f"n{len(enqueued) + i}" for i in range(20)]
                queue.enqueue_many([queue.named("note").call(line) for line in batch])
                enqueued.extend(batch)
                going.wait(0.02)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for _ in range(8):
            reloaded = daemon.reload("--json")
            assert reloaded.returncode == 0, reloaded.stderr
            assert json.loads(reloaded.stdout)["ok"] is True
    finally:
        going.set()
        feeder.join()
    until(lambda: len(daemon.lines()) >= len(enqueued), "every task has run", 60)
    assert sorted(daemon.lines()) == sorted(enqueued)
    assert generation(daemon) == 9


def test_a_fifo_in_the_place_of_the_configuration_does_not_hang_the_master(daemon: Daemon) -> None:
    config = daemon.write("tqd.toml", "")
    daemon.start("-w", "1", "-c", str(config))
    Path(config).unlink()
    os.mkfifo(config)
    refused = daemon.reload()
    assert refused.returncode == 1 and "regular file" in refused.stderr
    assert daemon.ready
