"""The shipped units, read as text: what must be in them, and that they agree with each other and with tqd."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tqd.config.table import SETTINGS
from tqd.system import exits

FOLDER = Path(__file__).parents[3] / "systemd"
UNITS = ("tqd.service", "tqd@.service")
DROP_INS = sorted(path.name for path in (FOLDER / "drop-ins").glob("*.conf"))
REPEATABLE = {"Environment", "EnvironmentFile", "LoadCredential", "SystemCallFilter"}
KNOWN = {
    "Unit": {"Description", "Wants", "After", "StartLimitIntervalSec"},
    "Service": {
        "Type", "NotifyAccess", "ExecStart", "ExecReload", "WorkingDirectory", "Environment",
        "EnvironmentFile", "LoadCredential", "LoadCredentialEncrypted", "KillMode", "TimeoutStartSec",
        "TimeoutStopSec", "WatchdogSec", "TimeoutAbortSec", "Restart", "RestartSec",
        "RestartPreventExitStatus", "OOMPolicy", "LimitNOFILE", "TasksMax", "LimitCORE", "MemoryHigh",
        "MemoryMax", "DynamicUser", "User", "SupplementaryGroups", "RuntimeDirectory", "StateDirectory",
        "StateDirectoryMode", "UMask", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities",
        "PrivateDevices", "PrivateIPC", "PrivateMounts", "PrivateTmp", "PrivateUsers", "ProtectSystem",
        "ProtectHome", "ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs",
        "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "KeyringMode", "LockPersonality",
        "MemoryDenyWriteExecute", "RemoveIPC", "RestrictAddressFamilies", "RestrictNamespaces",
        "RestrictRealtime", "RestrictSUIDSGID", "SystemCallArchitectures", "SystemCallFilter",
        "SystemCallErrorNumber", "ReadWritePaths", "BindReadOnlyPaths",
    },
    "Install": {"WantedBy"},
}  # fmt: skip

Entry = tuple[str, str, str]


def entries(name: str) -> list[Entry]:
    """Return a unit file's (section, key, value) in order; AssertionError for a line that is neither."""
    section, found = "", []
    for line in (FOLDER / name).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
            continue
        match = re.fullmatch(r"([A-Za-z]+)=(.*)", line)
        assert match and section, f"{name}: {line!r} is no setting of a section"
        found.append((section, match[1], match[2]))
    return found


def value(name: str, key: str) -> str:
    (found,) = [value for _, known, value in entries(name) if known == key]
    return found


@pytest.mark.parametrize("name", [*UNITS, *(f"drop-ins/{name}" for name in DROP_INS)])
def test_every_key_is_one_that_we_know_in_the_section_where_it_belongs(name: str) -> None:
    assert [(section, key) for section, key, _ in entries(name) if key not in KNOWN[section]] == []


@pytest.mark.parametrize("name", [*UNITS, *(f"drop-ins/{name}" for name in DROP_INS)])
def test_no_key_stands_twice(name: str) -> None:
    counts = Counter(key for _, key, _ in entries(name))
    assert {key for key, count in counts.items() if count > 1} <= REPEATABLE


@pytest.mark.parametrize("name", DROP_INS)
def test_a_line_that_a_drop_in_offers_in_a_comment_is_a_setting_too(name: str) -> None:
    offered = re.findall(r"^#(\w+)=.+$", (FOLDER / "drop-ins" / name).read_text(), re.MULTILINE)
    assert set(offered) <= KNOWN["Service"]


def test_every_file_says_in_its_head_where_it_goes() -> None:
    for path in [*FOLDER.glob("*.service"), *(FOLDER / "drop-ins").iterdir()]:
        head = path.read_text().split("\n\n")[0]
        assert head.startswith("# "), path.name
        assert re.search(r"Goes to\s(#\s)?/etc/", head), path.name


def test_an_instance_differs_from_the_plain_unit_only_in_its_own_parts() -> None:
    plain, instance = (entries(name) for name in UNITS)
    assert Counter(plain) - Counter(instance) == Counter([
        ("Unit", "Description", "tqd task queue daemon"),
        ("Service", "ExecStart", "/opt/tqd/bin/tqd start --config /etc/tqd/tqd.toml"),
        ("Service", "ExecReload", "/opt/tqd/bin/tqd reload --serving --config /etc/tqd/tqd.toml"),
        ("Service", "EnvironmentFile", "-/etc/default/tqd"),
        ("Service", "LoadCredential", "redis-password:tqd.redis-password"),
        ("Service", "RuntimeDirectory", "tqd"),
        ("Service", "StateDirectory", "tqd"),
    ])  # fmt: skip
    assert Counter(instance) - Counter(plain) == Counter([
        ("Unit", "Description", "tqd task queue daemon for %i"),
        ("Service", "ExecStart", "/opt/tqd/bin/tqd start --config /etc/tqd/%i.toml"),
        ("Service", "ExecReload", "/opt/tqd/bin/tqd reload --serving --config /etc/tqd/%i.toml"),
        ("Service", "EnvironmentFile", "-/etc/default/tqd-%i"),
        ("Service", "LoadCredential", "redis-password:tqd-%i.redis-password"),
        ("Service", "RuntimeDirectory", "tqd-%i"),
        ("Service", "StateDirectory", "tqd-%i"),
    ])  # fmt: skip


def test_a_stop_may_take_longer_than_the_tasks_are_given() -> None:
    (grace,) = [setting.default for setting in SETTINGS if setting.key == "workers.shutdown_grace_period"]
    assert isinstance(grace, float)
    assert int(value("tqd.service", "TimeoutStopSec")) >= grace + 10


def test_what_starting_again_cannot_help_is_not_started_again() -> None:
    hopeless = {exits.USAGE, exits.CANNOT_CREATE, exits.CONFIG}
    assert {int(word) for word in value("tqd.service", "RestartPreventExitStatus").split()} == hopeless


def test_a_master_that_is_killed_has_a_second_for_its_successor_to_serve_within_three() -> None:
    assert float(value("tqd.service", "RestartSec")) <= 1


def test_the_service_says_itself_when_it_is_ready_and_that_it_lives() -> None:
    assert value("tqd.service", "Type") == "notify"
    assert value("tqd.service", "NotifyAccess") == "main"
    assert int(value("tqd.service", "WatchdogSec")) == 30


def test_the_static_user_has_the_name_that_the_units_use() -> None:
    (line,) = [
        line
        for line in (FOLDER / "drop-ins" / "tqd.sysusers").read_text().splitlines()
        if line[:1] not in "#"
    ]
    assert line.split()[:2] == ["u", value("tqd.service", "User")]
    assert value("drop-ins/static-user.conf", "User") == value("tqd.service", "User")
