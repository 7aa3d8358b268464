"""The command line: what the words mean, and what is said about those that mean nothing."""

from __future__ import annotations

import argparse
import importlib.util
from typing import Any

import pytest

from tqd.cli import parser
from tqd.cli.parser import MODULES, VERBS, parsed


def version() -> str:
    return "1.2.3"


def options(*words: str) -> dict[str, Any]:
    return vars(parsed(words, version))


LINES = [
    ["start", "-A", "shop:tq", "-w", "3", "-d"],
    ["start", "--embedded", "--foreground"],
    ["stop", "--timeout", "3", "--now"],
    ["restart", "-A", "shop:tq", "--timeout", "9.5"],
    ["reload", "--wait", "--json"],
    ["reload", "--serving"],
    ["status", "--runtime-dir", "/x", "--json"],
    ["top", "-n", "3", "--interval", "0.5"],
    ["why", "-n", "5"],
    ["scale", "-1", "--runtime-dir", "/x"],
    ["scale", "--runtime-dir", "/x", "+2"],
    ["quiet"],
    ["resume", "-c", "file"],
    ["worker", "ls", "--json"],
    ["check", "-A", "shop:tq"],
    ["task", "show", "0" * 32, "--args", "-r", "redis://x"],
    ["task", "ls", "-q", "default", "--state", "ready", "-n", "5", "--json"],
    ["dead", "ls", "-t", "shop.*", "-q", "default", "-e", "KeyError", "--older-than", "2h"],
    ["dead", "show", "0" * 32, "--namespace", "x", "-c", "file"],
    ["dead", "replay", "0" * 32, "1" * 32, "--rate", "10/s", "--limit", "5", "--dry-run"],
    ["dead", "purge", "--all", "--json"],
    ["queue", "ls", "--json"],
    ["queue", "show", "mail", "-c", "file"],
    ["queue", "pause", "mail", "-r", "redis://x"],
    ["queue", "resume", "mail"],
    ["queue", "purge", "mail", "--state", "ready", "--dry-run", "--yes"],
    ["simulate", "trace.csv", "--slots", "4", "--fixed", "3", "--svg", "x.svg", "--changes", "--json"],
    ["doctor", "--redis-url", "redis://x", "--json"],
    ["doctor", "--audit", "--repair", "--limit", "5"],
    ["demo", "--tasks", "5", "--plain"],
]


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_the_short_way_to_a_verb_means_what_the_parser_of_all_verbs_does(words: list[str]) -> None:
    assert options(*words) == vars(parser.parser(version).parse_args(words))


def test_every_verb_has_a_module_and_a_line_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parsed(["--help"], version)
    shown = capsys.readouterr().out
    assert [name for name in VERBS if f"\n    {name} " not in shown.replace("\n        ", " ")] == []
    modules = [MODULES.get(name, name) for name in VERBS]
    assert [name for name in modules if not importlib.util.find_spec(f"tqd.cli.{name}")] == []


def test_the_lines_of_the_help_fit_a_small_terminal() -> None:
    assert [name for name, verb in VERBS.items() if len(verb.effect) > 66 or verb.effect.endswith(".")] == []


def test_the_version_is_found_out_only_when_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> str:
        raise AssertionError("nobody asked")

    parsed(["status"], fail)
    parser.parser(fail)
    with pytest.raises(SystemExit, match="0"):
        parsed(["--version"], version)
    assert capsys.readouterr().out == "tqd 1.2.3\n"


@pytest.mark.parametrize(
    ("word", "request_part"),
    [("4", {"workers": 4}), ("0", {"workers": 0}), ("+2", {"change": 2}), ("-1", {"change": -1})],
)
def test_a_scale_is_a_number_or_a_change(word: str, request_part: dict[str, int]) -> None:
    assert options("scale", word)["workers"] == request_part


@pytest.mark.parametrize(
    ("age", "seconds"), [("1.5s", 1.5), ("10m", 600), ("2h", 7200), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_an_age_has_a_unit_or_is_in_seconds(age: str, seconds: float) -> None:
    assert options("dead", "ls", "--older-than", age)["older_than"] == seconds


@pytest.mark.parametrize(("rate", "per_s"), [("10", 10.0), ("0.5", 0.5), ("10/s", 10.0)])
def test_a_rate_is_in_tasks_per_second(rate: str, per_s: float) -> None:
    assert options("dead", "replay", "--all", "--rate", rate)["rate"] == per_s


WRONG = {
    "scale": "N",
    "scale x": "4, +1 or -1",
    "scale 1.5": "4, +1 or -1",
    "scale +": "4, +1 or -1",
    "scale 99999999": "4, +1 or -1",
    "start -d --foreground": "not allowed with",
    "reload --wait --serving": "not allowed with",
    "stop --now --kill": "not allowed with",
    "stop --timeout -1": "0 or more",
    "stop --timeout nan": "0 or more",
    "stop --timeout soon": "0 or more",
    "top --interval soon": "0.1 to 3600",
    "top -n 0": "1 or more",
    "top --interval 0": "0.1 to 3600",
    "top --interval nan": "0.1 to 3600",
    "why -n few": "'few' is no count: it is a whole number, 1 or more",
    "why -n 1.5": "1 or more",
    "task": "ACTION",
    "task show": "ID",
    "task show xyz": "32 hexadecimal digits",
    "task show ABCDEFABCDEFABCDEFABCDEFABCDEFAB": "32 hexadecimal digits",
    "task ls --state done": "invalid choice",
    "task ls -n 0": "1 or more",
    "task ls -n 1001": "at most 1000",
    "dead": "ACTION",
    "dead bury": "invalid choice",
    "queue": "ACTION",
    "queue pause": "QUEUE",
    "queue purge mail --state claimed": "invalid choice",
    "queue show a:b": "no queue name",
    "dead replay xyz": "32 hexadecimal digits",
    "dead replay --all --rate 0": "tasks per second",
    "dead replay --all --rate fast": "tasks per second",
    "dead replay --all --limit 0": "1 or more",
    "dead purge --older-than yesterday": "90s, 10m, 2h or 7d",
    "dead purge --older-than -5": "90s, 10m, 2h or 7d",
    "dead ls --newer-than 5y": "90s, 10m, 2h or 7d",
    "worker": "what",
    "worker show": "invalid choice",
    "frobnicate": "invalid choice",
    "status --frobnicate": "unrecognized",
    "": "VERB",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_means_nothing_is_a_usage_error_that_says_so(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="64"):
        parsed(line.split(), version)
    told = capsys.readouterr().err
    assert WRONG[line] in told and "tqd --help" in told


def test_start_stays_in_the_foreground_unless_it_is_told_otherwise() -> None:
    assert options("start")["detach"] is False
    assert options("start", "--foreground")["detach"] is False
    assert options("start", "-d")["detach"] is True


def test_the_help_of_each_verb_can_be_written() -> None:
    for name in VERBS:
        with pytest.raises(SystemExit, match="0"):
            parsed([name, "--help"], version)
    assert isinstance(parser.parser(version), argparse.ArgumentParser)
