"""The ways to install the service: instances, the shipped drop-ins, and where the password is."""

from __future__ import annotations

import re

import pytest
import redis

from tests.support.installed_tree import ROOT
from tests.support.systemd_box import SystemdBox
from tests.support.systemd_service import APP, CONFIG, PASSWORD, REDIS_SOCKET, SystemdService
from tqd import TaskQueue


def test_instances_live_beside_each_other_and_the_plain_unit(
    service: SystemdService, box: SystemdBox, producer: TaskQueue
) -> None:
    mail = SystemdService(box, "mail")
    try:
        config = CONFIG.replace("/run/tqd", "/run/tqd-mail")
        mail.install(config=f'{config}\n[queues]\nnames = ["mail"]\n')
        service.start()
        mail.start()
        producer.named("note").using(queue="mail").enqueue("letter")
        producer.enqueue("note", "other")
        mail.wrote("letter one")
        service.wrote("other one")
        service.systemctl("stop")
        assert len(mail.workers()) == 2
        mail.systemctl("reload")
        producer.named("note").using(queue="mail").enqueue("second")
        mail.wrote("second one")
        assert mail.show("ActiveState") == "active"
    finally:
        print(mail.log()[-20_000:])
        mail.remove()


def test_a_release_behind_a_symbolic_link_is_taken_by_a_reload(
    service: SystemdService, producer: TaskQueue
) -> None:
    service.shipped("app.conf")
    service.box.run("rm", "/opt/tqd/shop.py")
    for release, word in (("1", "one"), ("2", "two")):
        service.box.write(f"/srv/shop/{release}/shop.py", APP.replace('"one"', f'"{word}"'))
    service.box.run("ln", "-sfn", "1", "/srv/shop/current")
    service.start()
    producer.enqueue("note", "before")
    service.wrote("before one")
    service.box.run("ln", "-sfn", "2", "/srv/shop/current")
    service.systemctl("reload")
    producer.enqueue("note", "after")
    service.wrote("after two")


def test_a_reload_by_signal_is_waited_for(service: SystemdService, producer: TaskQueue) -> None:
    found = re.findall(r"^systemd (\d+)", service.box.run("systemctl", "--version").stdout)
    if int(found[0]) < 253:
        pytest.skip(f"notify-reload is for systemd 253 and newer, and this is {found[0]}")
    service.shipped("notify-reload.conf")
    service.start()
    service.deploy(APP.replace('"one"', '"two"'))
    service.systemctl("reload")
    producer.enqueue("note", "after")
    service.wrote("after two")
    # A refusal cannot fail it, but it must not keep it waiting either.
    service.deploy("import no_such_module_of_ours")
    service.systemctl("reload")
    assert "no_such_module_of_ours" in service.show("StatusText")
    producer.enqueue("note", "still")
    service.wrote("still two")


def test_a_static_user_serves_as_well(service: SystemdService, producer: TaskQueue) -> None:
    service.shipped("static-user.conf")
    service.box.write(
        "/etc/sysusers.d/tqd.conf", (ROOT / "systemd" / "drop-ins" / "tqd.sysusers").read_text()
    )
    service.box.run("systemd-sysusers")
    service.state = "/var/lib/tqd"
    service.start()
    producer.enqueue("note", "hello")
    service.wrote("hello one")
    uid = service.box.run("id", "--user", "tqd").stdout.strip()
    status = service.box.run("cat", f"/proc/{service.main_pid}/status").stdout
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in status
    assert service.box.path("/var/lib/tqd").stat().st_uid == int(uid)
    service.systemctl("stop")
    service.box.run("userdel", "tqd")


def test_code_made_at_run_time_is_refused_unless_a_drop_in_allows_it(service: SystemdService) -> None:
    service.deploy(
        f"import mmap\nmmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n{APP}"
    )
    assert service.systemctl("start", check=False).returncode != 0
    assert service.show("ExecMainStatus") == "78"
    service.shipped("looser.conf")
    service.start()


def test_a_redis_that_asks_for_no_password_needs_no_credential(
    service: SystemdService, producer: TaskQueue, box_redis: redis.Redis
) -> None:
    service.box.run("rm", service.password)
    box_redis.config_set("requirepass", "")
    try:
        service.start()
        producer.enqueue("note", "open")
        service.wrote("open one")
    finally:
        box_redis.config_set("requirepass", PASSWORD)


def test_the_socket_of_redis_is_open_to_a_service_in_its_group(
    service: SystemdService, producer: TaskQueue
) -> None:
    service.shipped("redis.conf")
    service.box.run("groupadd", "--force", "--system", "redis")
    service.box.run("chgrp", "redis", REDIS_SOCKET)
    service.box.run("chmod", "770", REDIS_SOCKET)
    service.configure(CONFIG.replace("redis://127.0.0.1:6379", f"unix://{REDIS_SOCKET}"))
    service.start()
    producer.enqueue("note", "through")
    service.wrote("through one")
