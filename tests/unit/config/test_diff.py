"""What a reload takes over, and what it keeps."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from tqd.config.diff import Change, diff, effective, sentences
from tqd.config.model import Config
from tqd.config.parse import parse
from tqd.config.setting import Kind, Reload, Setting
from tqd.config.table import BY_KEY, SETTINGS

OTHERS: dict[Kind, Any] = {
    Kind.TEXT: "x",
    Kind.URL: "redis://other",
    Kind.INTEGER: 7,
    Kind.NUMBER: 3.5,
    Kind.NAMES: ["x"],
    Kind.SWITCH: True,
    Kind.LIMITS: {"mail": {"rate": "5/m"}},
    Kind.WEIGHTS: {"mail": 7},
}
RESTART = {setting.key for setting in SETTINGS if setting.reload is Reload.RESTART}


def other(setting: Setting) -> Any:
    """Return a value that the setting allows and that is not its default."""
    own = {
        "tasks.app": "shop:tq",
        "logging.level": "warn",
        "logging.format": "json",
        "queues.order": "weighted",
        "autoscaler.mode": "advise",
    }
    if setting.kind is Kind.SWITCH:
        return not setting.default
    if setting.kind is Kind.NUMBER and (setting.high or 2) <= 1:
        return 0.55
    return own.get(setting.key, OTHERS[setting.kind])


def config(**values: Any) -> Config:
    return parse([], {}, {key.replace("__", "."): value for key, value in values.items()}, 2)


def some_config(dice: random.Random, path: str) -> Config:
    """Return a configuration in which each setting is the default or another value, by chance."""
    file: dict[str, Any] = {}
    for setting in SETTINGS:
        if dice.random() < 0.5:
            table = file
            for part in setting.key.split(".")[:-1]:
                table = table.setdefault(part, {})
            table[setting.field] = other(setting)
    return parse([(path, file)], {}, {}, 2)


def test_equal_configurations_have_no_difference() -> None:
    assert diff(config(), config()) == ()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_changed_setting_is_found_with_its_class(setting: Setting) -> None:
    (change,) = diff(config(), parse([], {}, {setting.key: other(setting)}, 2))
    assert (change.key, change.reload) == (setting.key, setting.reload)
    assert change.old != change.new


def test_another_origin_of_the_same_value_is_no_difference() -> None:
    assert diff(config(), config(node__lease=15.0)) == ()


def test_changes_come_in_the_order_of_the_table() -> None:
    new = config(logging__level="debug", redis__namespace="shop", workers__initial_count=8)
    keys = [change.key for change in diff(config(), new)]
    assert keys == ["redis.namespace", "workers.initial_count", "logging.level"]


@pytest.mark.parametrize("seed", range(50))
def test_what_is_effective_differs_from_the_new_one_exactly_where_a_restart_is_needed(seed: int) -> None:
    dice = random.Random(seed)
    old, new = some_config(dice, "old.toml"), some_config(dice, "new.toml")
    result = effective(old, new)
    needing = [change for change in diff(old, new) if change.key in RESTART]
    back = tuple(replace(change, old=change.new, new=change.old) for change in needing)
    assert diff(new, result) == back
    assert [change for change in diff(old, result) if change.key in RESTART] == []
    for key in BY_KEY:
        assert result.origins[key] == (old if key in RESTART else new).origins[key]


def test_the_two_configurations_are_left_as_they_are() -> None:
    old, new = config(redis__namespace="a"), config(redis__namespace="b")
    effective(old, new)
    assert (old.redis.namespace, new.redis.namespace) == ("a", "b")
    assert new.origins["workers.prefix"] == "default"


@pytest.mark.parametrize(
    ("key", "old", "new", "text"),
    [
        ("redis.url", "redis://a", "redis://b", "redis.url: redis://a → redis://b"),
        ("redis.url", "redis://:geheim@a", "redis://a", "redis.url: redis://:***@a → redis://a"),
        ("redis.password_file", "", "/etc/pw", "redis.password_file: '' → /etc/pw"),
        ("redis.embedded", False, True, "redis.embedded: false → true"),
        ("workers.initial_count", 4, 8, "workers.initial_count: 4 → 8"),
        ("queues.names", ("a",), ("a", "b"), "queues.names: ['a'] → ['a', 'b']"),
        ("redis.data_dir", "it's", "x", "redis.data_dir: it's → x"),
    ],
)
def test_a_change_is_told_in_one_line(key: str, old: Any, new: Any, text: str) -> None:
    assert Change(key=key, old=old, new=new, reload=BY_KEY[key].reload).text == text


def test_a_change_of_the_password_alone_is_told_without_the_password() -> None:
    (change,) = diff(config(redis__url="redis://:old@h"), config(redis__url="redis://:geheim@h"))
    assert change.text == "redis.url: redis://:***@h → redis://:***@h (differs in what is not shown)"


def test_a_long_value_keeps_its_line_short() -> None:
    change = Change(key="redis.data_dir", old="x" * 500, new="y" * 500, reload=Reload.RESTART)
    assert len(change.text) < 200


def test_the_sentences_say_for_each_class_what_happens() -> None:
    old = config(redis__url="redis://:pw@a", workers__initial_count=4)
    new = config(
        redis__url="redis://:pw@b",
        workers__initial_count=8,
        workers__hung_after=10,
        queues__names=["mail"],
        node__lease=20,
    )
    assert sentences(diff(old, new)) == (
        "taken over: workers.initial_count: 4 → 8, workers.hung_after: 30.0 → 10.0",
        "taken over by the new workers: queues.names: "
        "['high_priority', 'default', 'low_priority'] → ['mail']",
        "keeps redis.url = redis://:***@a until a restart; the new value is redis://:***@b",
        "keeps node.lease = 15.0 until a restart; the new value is 20.0",
    )


def test_a_class_without_a_change_has_no_sentence() -> None:
    told = sentences(diff(config(), config(node__name="n")))
    assert told == ("keeps node.name = '' until a restart; the new value is n",)


def test_no_change_is_said_too() -> None:
    assert sentences(()) == ("no setting has changed",)
