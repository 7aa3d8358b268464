"""The drills: what an administrator does to the service, and what happens to it, on a real systemd."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.systemd_service import APP, CONFIG, SystemdService
from tests.support.wait import until
from tqd import TaskQueue

LONG_S = 60.0
NEW = APP.replace('VERSION = "one"', 'VERSION = "two"')


def gone(service: SystemdService, pids: list[int]) -> bool:
    return not set(pids) & set(service.box.pids())


# -- start ------------------------------------------------------------------------------------------


def test_a_start_returns_when_the_workers_are_ready(service: SystemdService, producer: TaskQueue) -> None:
    service.start()
    assert len(service.workers()) == 2
    assert service.show("ActiveState") == "active"
    assert service.show("StatusText")
    # The server asks for a password, and only the credential has it.
    assert "horse" not in service.box.path(service.config).read_text()
    producer.enqueue("note", "hello")
    service.wrote("hello one")


def test_a_start_is_not_over_while_the_app_is_being_imported(service: SystemdService) -> None:
    service.deploy(
        f'{APP}\nwrite("importing")\nwhile not os.path.exists(place + "gate"):\n    time.sleep(0.01)\n'
    )
    service.box.run("systemctl", "start", "--no-block", service.unit)
    service.wrote("importing")
    assert service.show("ActiveState") == "activating"
    service.open_gate()
    until(lambda: service.show("ActiveState") == "active", "it is active", LONG_S)
    assert len(service.workers()) == 2


def test_the_processes_have_no_rights_that_they_do_not_need(service: SystemdService) -> None:
    service.start()
    for pid in service.processes():
        text = service.box.run("cat", f"/proc/{pid}/status").stdout
        status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        assert "0" not in status["Uid"].split()
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_a_configuration_error_is_told_once_and_not_tried_again(service: SystemdService) -> None:
    service.configure(CONFIG + "\n[tasks.nonsense]\n")
    assert service.systemctl("start", check=False).returncode != 0
    assert service.show("ExecMainStatus") == "78"
    assert (service.show("ActiveState"), service.show("SubState")) == ("failed", "failed")
    assert service.restarts == 0
    assert service.log().count("nonsense") == 1
    service.configure(CONFIG)
    service.start()


def test_an_app_that_cannot_be_imported_is_not_tried_again(service: SystemdService) -> None:
    service.deploy("import no_such_module_of_ours")
    assert service.systemctl("start", check=False).returncode != 0
    assert service.show("ExecMainStatus") == "78"
    assert service.show("ActiveState") == "failed"
    assert "no_such_module_of_ours" in service.log()


def test_a_redis_that_comes_later_is_waited_for(service: SystemdService, producer: TaskQueue) -> None:
    service.box.run("systemctl", "stop", "redis-server.service")
    try:
        service.box.run("systemctl", "start", "--no-block", service.unit)
        until(lambda: service.restarts > 0 or "redis" in service.log().lower(), "it misses Redis", LONG_S)
        assert service.show("ActiveState") == "activating"
    finally:
        service.box.run("systemctl", "start", "redis-server.service")
    until(lambda: service.show("ActiveState") == "active", "it is active", LONG_S)
    producer.enqueue("note", "late")
    service.wrote("late one")


# -- reload -----------------------------------------------------------------------------------------


@contextmanager
def load(producer: TaskQueue) -> Iterator[list[str]]:
    """Enqueue numbered tasks all the time, some 500 a second; the list has what was acknowledged."""
    done: list[str] = []
    stop = threading.Event()

    def produce() -> None:
        note = producer.named("note")
        while not stop.wait(0.02):
            batch = [f"n{len(done) + i}" for i in range(10)]
            producer.enqueue_many([note.call(line) for line in batch])
            done.extend(batch)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def test_a_reload_under_load_brings_new_code_and_loses_no_task(
    service: SystemdService, producer: TaskQueue
) -> None:
    service.start()
    master = service.main_pid
    with load(producer) as sent:
        until(lambda: len(service.lines()) > 200, "tasks run", LONG_S)
        service.deploy(NEW)
        service.systemctl("reload")
        producer.enqueue("note", "after")
        service.wrote("after two")
        until(lambda: len(sent) > 1000, "tasks are still enqueued", LONG_S)
    until(lambda: len(service.lines()) >= len(sent) + 1, "all are done", LONG_S)
    runs = Counter(line.split()[0] for line in service.lines())
    assert runs == Counter([*sent, "after"])
    assert service.main_pid == master
    assert service.restarts == 0
    assert len(service.workers()) == 2


def test_a_reload_returns_while_old_tasks_still_run(service: SystemdService, producer: TaskQueue) -> None:
    service.start()
    producer.enqueue("waits", "long")
    service.wrote("long.started one")
    service.deploy(NEW)
    service.systemctl("reload")
    producer.enqueue("note", "after")
    service.wrote("after two")
    assert "long.done one" not in service.lines()
    service.open_gate()
    service.wrote("long.done one")
    assert service.lines().count("long.started one") == 1


def test_start_and_reload_may_take_longer_than_the_time_systemd_gives_them(
    service: SystemdService, producer: TaskQueue
) -> None:
    service.change("[Service]\nTimeoutStartSec=4\n")
    service.configure(CONFIG.replace("initial_count = 2", "initial_count = 1"))
    service.deploy(f"import time\ntime.sleep(7)\n{APP}")
    service.start()
    service.deploy(f"import time\ntime.sleep(7)\n{NEW}")
    service.systemctl("reload")
    producer.enqueue("note", "after")
    service.wrote("after two")
    assert service.restarts == 0


@pytest.mark.parametrize(
    ("app", "config", "reason"),
    [
        pytest.param("import no_such_module_of_ours", CONFIG, "no_such_module_of_ours", id="app"),
        pytest.param(APP, CONFIG.replace("initial_count", "initail_count"), "initail_count", id="config"),
    ],
)
def test_a_refused_reload_fails_and_changes_nothing(
    service: SystemdService, producer: TaskQueue, app: str, config: str, reason: str
) -> None:
    service.start()
    before = service.workers()
    service.deploy(app)
    service.configure(config)
    assert service.systemctl("reload", check=False).returncode != 0
    assert service.show("ActiveState") == "active"
    assert reason in service.show("StatusText")
    assert reason in service.log()
    assert service.workers() == before
    producer.enqueue("note", "still")
    service.wrote("still one")
    service.deploy(NEW)
    service.configure(CONFIG)
    service.systemctl("reload")
    producer.enqueue("note", "after")
    service.wrote("after two")


def test_a_reload_by_signal_is_a_reload(service: SystemdService, producer: TaskQueue) -> None:
    service.start()
    before = service.workers()
    service.deploy(NEW)
    service.kill(service.main_pid, "HUP")
    until(
        lambda: len(after := service.workers()) == 2 and not set(after.values()) & set(before.values()),
        "new workers",
        LONG_S,
    )
    producer.enqueue("note", "after")
    service.wrote("after two")
    assert service.show("ActiveState") == "active"


# -- kill -9 ----------------------------------------------------------------------------------------


def test_a_killed_worker_is_replaced_by_the_master(service: SystemdService, producer: TaskQueue) -> None:
    service.start()
    producer.enqueue("waits", "held")
    service.wrote("held.started one")
    master, victims = service.main_pid, service.workers()
    for pid in victims.values():
        service.kill(pid)
    service.wrote("held.started one", times=2)
    until(lambda: len(service.workers()) == 2, "both are replaced", LONG_S)
    assert not set(victims.values()) & set(service.workers().values())
    service.open_gate()
    service.wrote("held.done one")
    assert (service.restarts, service.main_pid) == (0, master)


def test_a_killed_keeper_is_replaced_by_the_master(service: SystemdService, producer: TaskQueue) -> None:
    service.start()
    master, workers = service.main_pid, service.workers()
    keeper = service.status()["keeper"]["pid"]
    service.kill(keeper)
    until(
        lambda: (service.status().get("keeper") or {}).get("pid") not in (None, keeper), "a new one", LONG_S
    )
    producer.enqueue("note", "unmoved")
    service.wrote("unmoved one")
    assert (service.restarts, service.main_pid, service.workers()) == (0, master, workers)


def test_a_killed_master_leaves_nothing_and_its_successor_runs_what_it_held(
    service: SystemdService, producer: TaskQueue
) -> None:
    service.start()
    producer.enqueue("waits", "held")
    service.wrote("held.started one")
    old = service.processes()
    assert len(old) == 4
    service.kill(service.main_pid)
    until(lambda: service.restarts == 1 and service.show("ActiveState") == "active", "it is back", LONG_S)
    assert gone(service, old)
    service.wrote("held.started one", times=2)
    service.open_gate()
    service.wrote("held.done one")
    assert service.lines().count("held.done one") == 1
    assert service.restarts == 1


def test_a_master_that_hangs_is_restarted_by_the_watchdog(
    service: SystemdService, producer: TaskQueue
) -> None:
    service.change("[Service]\nWatchdogSec=3\nTimeoutAbortSec=2\n")
    service.start()
    old = service.processes()
    service.kill(service.main_pid, "STOP")
    until(lambda: service.restarts == 1 and service.show("ActiveState") == "active", "it is back", LONG_S)
    assert gone(service, old)
    producer.enqueue("note", "again")
    service.wrote("again one")


def test_a_healthy_master_is_left_alone_by_the_watchdog(service: SystemdService, producer: TaskQueue) -> None:
    service.change("[Service]\nWatchdogSec=2\n")
    service.start()
    producer.enqueue("sleeps", "five", 5.0)
    service.wrote("five.done one")
    assert service.restarts == 0


# -- stop -------------------------------------------------------------------------------------------


def test_a_stop_when_idle_is_clean(service: SystemdService) -> None:
    service.start()
    old = service.processes()
    service.systemctl("stop")
    assert (service.show("ActiveState"), service.show("Result")) == ("inactive", "success")
    assert service.show("ExecMainStatus") == "0"
    assert gone(service, old)


def test_a_drain_may_take_longer_than_the_time_systemd_gives_a_stop(
    service: SystemdService, producer: TaskQueue
) -> None:
    service.change("[Service]\nTimeoutStopSec=2\n")
    service.start()
    producer.enqueue("sleeps", "long", 7.0)
    service.wrote("long.started one")
    service.systemctl("stop")
    assert service.lines() == ["long.started one", "long.done one"]
    assert (service.show("ActiveState"), service.show("Result")) == ("inactive", "success")
    assert service.show("ExecMainStatus") == "0"
