"""`tqd simulate`: the report, the JSON, the picture, and what is said of a trace that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tqd.cli.main import main
from tqd.simulate.trace import Arrival, as_csv


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TQD_CONFIG", raising=False)


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """Return a trace of 10 minutes whose load takes ten slots."""
    path = tmp_path / "trace.csv"
    tasks = (Arrival(n / 5, 2.0, "default", "mail") for n in range(3000))
    path.write_text("".join(as_csv(tasks)))
    return str(path)


def facts(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["simulate", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_report_tells_misses_costs_changes_and_fates(
    capsys: pytest.CaptureFixture[str], trace: str
) -> None:
    assert main(["simulate", trace, "--slots", "2"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].endswith(f"{trace}: 3,000 tasks in 10 min 5 s")
    assert "auto-scaling from 1 to 20 workers, 2 slots each" in shown
    assert [
        word for word in ("wait goal", "waits", "worker-hours", "flaps", "3,000 done") if word not in shown
    ] == []
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines()[2:])) <= 90


def test_json_has_the_figures_and_each_change_with_its_sentence(
    capsys: pytest.CaptureFixture[str], trace: str
) -> None:
    found = facts(capsys, trace, "--slots", "2")
    assert found["tasks"] == {"arrived": 3000, "done": 3000, "dead": 0, "unfinished": 0}
    assert found["scale_actions"]["up"] == sum(one["to"] > one["from"] for one in found["changes"]) > 0
    assert all("workers" in one["sentence"] for one in found["changes"])
    assert found["worker_hours"] == pytest.approx(found["workers"]["mean"] * found["seconds"] / 3600)


def test_a_fixed_number_is_the_measure_to_compare_with(
    capsys: pytest.CaptureFixture[str], trace: str
) -> None:
    few, many = (facts(capsys, trace, "--slots", "2", "--fixed", number) for number in ("2", "8"))
    assert few["sla"]["missed_s"] > 500 > many["sla"]["missed_s"] == 0
    assert few["sla"]["late_tasks"] > 0 and many["scale_actions"] == {"up": 0, "down": 0}
    assert many["worker_hours"] == pytest.approx(8 * many["seconds"] / 3600)


def test_changes_are_told_with_their_reasons(capsys: pytest.CaptureFixture[str], trace: str) -> None:
    assert main(["simulate", trace, "--slots", "2", "--changes"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if " → " in line]
    assert told and "1 → " in told[0] and "workers are needed" in told[0]


def test_a_picture_is_written(capsys: pytest.CaptureFixture[str], trace: str, tmp_path: Path) -> None:
    path = tmp_path / "run.svg"
    assert main(["simulate", trace, "--svg", str(path)]) == 0
    assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_slots_come_from_the_configuration(
    capsys: pytest.CaptureFixture[str], trace: str, tmp_path: Path
) -> None:
    (tmp_path / "tqd.toml").write_text("[workers]\nmax_concurrent_tasks = 3\n")
    assert facts(capsys, trace)["slots"] == 3
    assert facts(capsys, trace, "--slots", "5")["slots"] == 5


def test_the_rules_are_those_of_the_configuration_even_where_they_are_off(
    capsys: pytest.CaptureFixture[str], trace: str, tmp_path: Path
) -> None:
    rules = "[autoscaler]\nmax_workers = 2\n[autoscaler.target_sla]\nmax_queue_wait_time_ms = 20000\n"
    (tmp_path / "tqd.toml").write_text(f"[workers]\nmax_concurrent_tasks = 3\n{rules}")
    found = facts(capsys, trace)
    assert (found["sla"]["wait_goal_s"], found["workers"]["most"]) == (20, 2)


def test_a_trace_that_is_none_is_refused_with_file_line_and_rule(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("arrival_s,run_s,queue,name\n1,2,default,a\n0.5,2,default,a\n")
    assert main(["simulate", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"tqd: {path}: line 3 of the trace: arrival_s is 0.5; tasks come in the order")
    path.write_bytes(b"arrival_s,run_s,queue,name\n1,2,\xff,a\n")
    assert main(["simulate", str(path)]) == 1
    assert "is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["absent.csv", "."])
def test_a_file_that_cannot_be_read_is_named(capsys: pytest.CaptureFixture[str], path: str) -> None:
    assert main(["simulate", path]) == 1
    assert capsys.readouterr().err.startswith(f"tqd: {path}: cannot be read: ")


def test_a_picture_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str], trace: str) -> None:
    assert main(["simulate", trace, "--svg", "absent/run.svg"]) == 1
    assert "the picture absent/run.svg cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value"), [("--slots", "0"), ("--fixed", "-1"), ("--boot", "nan"), ("--workers", "1e3")]
)
def test_a_flag_out_of_range_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], flag: str, value: str
) -> None:
    with pytest.raises(SystemExit, match="64"):
        main(["simulate", "x", f"{flag}={value}"])
    assert "it is" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "2", "14.9", "nan", "86401", "long"])
def test_a_recording_lasts_longer_than_workers_take_to_begin(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with pytest.raises(SystemExit, match="64"):
        main(["record", "trace.csv", "--for", text])
    assert "it is 15 to 86400 seconds, as workers begin within ten" in capsys.readouterr().err


def test_a_trace_may_come_from_stdin(
    capsys: pytest.CaptureFixture[str], trace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(trace, encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdin", file)
        assert facts(capsys, "-")["tasks"]["arrived"] == 3000
