"""Merging the sources, and telling all that is wrong with them at once."""

from __future__ import annotations

from typing import Any

import pytest

from tqd.config.parse import defaults, parse
from tqd.config.setting import Kind
from tqd.config.table import SETTINGS
from tqd.errors import ConfigError, ConfigProblem

EXAMPLES = {
    Kind.TEXT: "x",
    Kind.URL: "redis://h",
    Kind.INTEGER: "7",
    Kind.NUMBER: "3.5",
    Kind.SWITCH: "yes",
    Kind.NAMES: "a,b",
    Kind.LIMITS: '{"mail": {"max_depth": 5}}',
    Kind.WEIGHTS: '{"mail": 5}',
}


def problems(
    file: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    flags: dict[str, object] | None = None,
) -> list[ConfigProblem]:
    with pytest.raises(ConfigError) as caught:
        parse([("my.toml", file or {})], environ or {}, flags or {}, 2)
    return caught.value.problems


def test_without_sources_all_settings_have_their_defaults() -> None:
    config = parse([], {}, {}, 6)
    assert config.workers.initial_count == 6
    assert config.queues.names == ("high_priority", "default", "low_priority")
    assert not any(config.explicit(setting.key) for setting in SETTINGS)


@pytest.mark.parametrize(("cores", "workers"), [(0, 1), (1, 1), (64, 64), (5000, 1024)])
def test_the_default_number_of_workers_stays_in_its_range(cores: int, workers: int) -> None:
    assert defaults(cores)["workers.initial_count"] == workers


def test_a_file_beats_the_default_the_environment_the_file_and_a_flag_all() -> None:
    file: dict[str, Any] = {"workers": {"initial_count": 1, "max_concurrent_tasks": 2, "prefix": "file"}}
    environ = {"TQD_WORKERS__MAX_CONCURRENT_TASKS": "3", "TQD_WORKERS__INITIAL_COUNT": "4"}
    config = parse([("my.toml", file)], environ, {"workers.initial_count": 5}, 2)
    assert (config.workers.prefix, config.workers.max_concurrent_tasks, config.workers.initial_count) == (
        "file",
        3,
        5,
    )
    assert config.origins["workers.prefix"] == "my.toml"
    assert config.origins["workers.max_concurrent_tasks"] == "environment TQD_WORKERS__MAX_CONCURRENT_TASKS"
    assert config.origins["workers.initial_count"] == "flag --workers"
    assert config.explicit("workers.prefix")
    assert not config.explicit("redis.url")


def test_a_later_file_beats_an_earlier_one() -> None:
    files: list[tuple[str, dict[str, Any]]] = [("a", {"node": {"name": "a"}}), ("b", {"node": {"name": "b"}})]
    assert parse(files, {}, {}, 2).node.name == "b"


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    assert not parse([], {}, {"workers.initial_count": None}, 2).explicit("workers.initial_count")


def test_a_flag_may_be_text_or_a_value() -> None:
    for given in ("a,b", ["a", "b"], ("a", "b")):
        assert parse([], {}, {"queues.names": given}, 2).queues.names == ("a", "b")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_setting_can_be_set_by_its_variable(setting: Any) -> None:
    text = setting.choices[0] if setting.choices else EXAMPLES[setting.kind]
    if setting.kind is Kind.NUMBER and (setting.high or 2) <= 1:
        text = "0.5"
    text = {"tasks.app": "shop:tq"}.get(setting.key, text)
    config = parse([], {setting.variable: text}, {}, 2)
    assert config.origins[setting.key] == f"environment {setting.variable}"


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("REDIS_URL", "redis://h:1", "redis.url", "redis://h:1"),
        ("TQD_REDIS_URL", "redis://h:1", "redis.url", "redis://h:1"),
        ("REDIS_CONNECTION_TIMEOUT", "7", "redis.connection_timeout", 7.0),
        ("REDIS_COMMAND_TIMEOUT", "0.5", "redis.command_timeout", 0.5),
        ("INITIAL_WORKER_COUNT", "7", "workers.initial_count", 7),
        ("TASK_QUEUE_WORKERS", "7", "workers.initial_count", 7),
        ("TQD_WORKERS", "7", "workers.initial_count", 7),
        ("TASK_QUEUE_AUTOSCALER_ENABLED", "true", "autoscaler.enabled", True),
        ("TASK_QUEUE_AUTOSCALER_MIN_WORKERS", "3", "autoscaler.min_workers", 3),
        ("TASK_QUEUE_AUTOSCALER_MAX_WORKERS", "30", "autoscaler.max_workers", 30),
        ("TASK_QUEUE_ADAPTIVE_THRESHOLDS", "no", "autoscaler.enable_adaptive_thresholds", False),
        ("TQD_TASK_MODULES", "a.b, c", "tasks.modules", ("a.b", "c")),
        ("LOG_LEVEL", "DEBUG", "logging.level", "debug"),
        ("LOG_FORMAT", "json", "logging.format", "json"),
        ("TQD_RUNTIME_DIR", "/run/x", "daemon.runtime_dir", "/run/x"),
    ],
)
def test_the_names_of_old_are_understood(name: str, text: str, key: str, value: object) -> None:
    config = parse([], {name: text}, {}, 2)
    section, _, field = key.partition(".")
    assert getattr(getattr(config, section), field) == value
    assert config.origins[key] == f"environment {name}"


def test_the_own_variable_beats_the_alias() -> None:
    environ = {"REDIS_URL": "redis://other", "TQD_REDIS__URL": "redis://own"}
    assert parse([], environ, {}, 2).redis.url == "redis://own"


def test_an_empty_alias_counts_as_not_set() -> None:
    assert not parse([], {"REDIS_URL": "", "LOG_LEVEL": ""}, {}, 2).explicit("redis.url")


def test_foreign_variables_are_nobodys_business() -> None:
    parse([], {"PATH": "/bin", "TQD_TEST": "1", "X__Y": "1", "REDIS_POOL_SIZE": "9"}, {}, 2)


def test_all_problems_of_all_sources_are_told_at_once() -> None:
    found = problems(
        {"redis": {"uri": "x"}, "workers": {"initial_count": -1}, "queue": {}},
        {"LOG_LEVEL": "loud", "TQD_REDIS__URI": "x"},
        {"workers.prefix": "a b"},
    )
    assert [(problem.origin, problem.key) for problem in found] == [
        ("my.toml", "redis.uri"),
        ("my.toml", "workers.initial_count"),
        ("my.toml", "queue"),
        ("environment LOG_LEVEL", "logging.level"),
        ("environment", "TQD_REDIS__URI"),
        ("flag --worker-prefix", "workers.prefix"),
    ]


def test_a_wrong_value_is_told_even_when_a_higher_source_covers_it() -> None:
    found = problems({"workers": {"initial_count": "four"}}, {}, {"workers.initial_count": 4})
    assert [problem.origin for problem in found] == ["my.toml"]


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ({"redis": {"ulr": "x"}}, "did you mean redis.url?"),
        ({"redis": {"max_concurrent_tasks": 2}}, "did you mean workers.max_concurrent_tasks?"),
        ({"worker": {}}, "did you mean workers?"),
        ({"url": "x"}, "did you mean redis.url?"),
        ({"redis.url": "x"}, "did you mean redis.url?"),
        ({"node": {"qqqqqqqqqq": 1}}, ""),
    ],
)
def test_an_unknown_name_comes_with_the_nearest_one(file: dict[str, Any], hint: str) -> None:
    assert [problem.hint for problem in problems(file)] == [hint]


def test_a_section_far_from_any_other_gets_them_listed() -> None:
    assert problems({"zzzzzz": {}})[0].hint.startswith("sections are redis, workers,")


def test_an_unknown_variable_comes_with_the_nearest_one() -> None:
    assert problems(environ={"TQD_REDIS__ULR": "x"})[0].hint == "did you mean TQD_REDIS__URL?"


@pytest.mark.parametrize("wrong", [3, "x", [], [{}]])
def test_a_section_must_be_a_section(wrong: object) -> None:
    assert problems({"redis": wrong})[0].rule == "must be a section: [redis]"


def test_a_flag_nobody_knows_is_told_like_a_key() -> None:
    assert problems(flags={"redis.ulr": "x"})[0].hint == "did you mean redis.url?"


def test_a_password_is_never_shown() -> None:
    found = problems(
        {"redis": {"url": "redis://me:geheim@h:port", "uri": "redis://:geheim@h", "password": "geheim"}},
        {"TQD_REDIS__PASSWORD": "geheim", "REDIS_URL": "http://:gehe/im@x"},
    )
    assert len(found) == 5
    assert "gehe" not in str(ConfigError(found))


def test_a_message_stays_short_whatever_it_is_about() -> None:
    long = "x" * 1_000_000
    found = problems({"redis": {"namespace": long, long: 1}, long: {}, "node": {"lease": 1 << 100_000}})
    assert max(len(str(problem)) for problem in found) < 500
