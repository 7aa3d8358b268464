"""The table of settings against the values it describes."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

import pytest

from tqd.config.check import checked
from tqd.config.model import SECTIONS, Config
from tqd.config.parse import defaults
from tqd.config.setting import Kind, Setting
from tqd.config.table import SETTINGS
from tqd.task.queue_limit import QueueLimit, QueueWeight

TYPES = {
    Kind.TEXT: str,
    Kind.URL: str,
    Kind.INTEGER: int,
    Kind.NUMBER: float,
    Kind.SWITCH: bool,
    Kind.NAMES: tuple[str, ...],
    Kind.LIMITS: tuple[QueueLimit, ...],
    Kind.WEIGHTS: tuple[QueueWeight, ...],
}


def test_the_table_and_the_model_have_the_same_settings() -> None:
    modelled = [f"{name}.{field.name}" for name, section in SECTIONS.items() for field in fields(section)]
    assert [f"{setting.section}.{setting.field}" for setting in SETTINGS] == modelled


def test_the_config_has_every_section() -> None:
    assert [field.name for field in fields(Config)] == [*SECTIONS, "origins", "warnings"]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_the_model_has_the_type_of_the_table(setting: Setting) -> None:
    assert get_type_hints(SECTIONS[setting.section])[setting.field] == TYPES[setting.kind]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_default_keeps_its_own_rule(setting: Setting) -> None:
    default = defaults(2)[setting.key]
    assert checked(setting, default) == default


def test_no_name_stands_for_two_settings() -> None:
    variables = [name for setting in SETTINGS for name in (setting.variable, *setting.environment)]
    flags = [flag for setting in SETTINGS for flag in setting.flags]
    assert len(variables) == len(set(variables))
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_setting_has_an_effect_a_rule_and_bounds(setting: Setting) -> None:
    assert setting.effect.endswith(".")
    assert setting.rule
    if setting.kind in (Kind.INTEGER, Kind.NUMBER):
        assert setting.low is not None and setting.high is not None and setting.unit
