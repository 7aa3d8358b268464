"""conf/tqd.toml is the manual of the settings; these tests keep it true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tqd.config.check import checked
from tqd.config.parse import defaults, parse
from tqd.config.setting import Kind, Setting
from tqd.config.table import SETTINGS

CONF = Path(__file__).parents[3] / "conf" / "tqd.toml"
TEXT = CONF.read_text()
UNCOMMENTED = re.sub(r"^#(?=\w+ = )", "", TEXT, flags=re.MULTILINE)
CORES = 4


def paragraph(setting: Setting) -> str:
    """Return the text above a setting, as running words."""
    section = TEXT.partition(f"\n[{setting.key.rpartition('.')[0]}]")[2]
    above = section.partition(f"\n#{setting.field} = ")[0].rpartition("\n\n")[2]
    return " ".join(line.removeprefix("#").strip() for line in above.splitlines())


def keys(tables: dict[str, Any]) -> list[str]:
    """Return the keys of all settings as they stand, such as `autoscaler.target_sla.min_success_rate`."""
    known = {setting.key for setting in SETTINGS}
    found: list[str] = []
    for name, value in tables.items():
        nested = isinstance(value, dict) and name not in known
        found += keys({f"{name}.{inner}": one for inner, one in value.items()}) if nested else [name]
    return found


def written(setting: Setting) -> Any:
    """Return the value that stands in the file, uncommented."""
    table: Any = tomllib.loads(UNCOMMENTED)
    for part in setting.key.split("."):
        table = table[part]
    return table


def test_as_delivered_it_changes_nothing() -> None:
    assert parse([("tqd.toml", tomllib.loads(TEXT))], {}, {}, CORES).redis == parse([], {}, {}, CORES).redis
    assert not any(keys(tomllib.loads(TEXT)))


def test_it_names_every_setting_once_and_no_other() -> None:
    assert keys(tomllib.loads(UNCOMMENTED)) == [setting.key for setting in SETTINGS]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_it_shows_the_real_default(setting: Setting) -> None:
    shown, default = written(setting), defaults(CORES)[setting.key]
    assert checked(setting, shown) == default
    kinds = {Kind.NAMES: list, Kind.LIMITS: dict, Kind.WEIGHTS: dict}
    assert type(shown) is kinds.get(setting.kind, type(default))


def test_every_default_it_shows_is_accepted_when_uncommented() -> None:
    config = parse([("tqd.toml", tomllib.loads(UNCOMMENTED))], {}, {}, CORES)
    assert set(config.origins.values()) == {"tqd.toml"}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_it_states_the_rule_and_the_reload_class(setting: Setting) -> None:
    assert f"Allowed: {setting.rule}. Reload: {setting.reload}." in paragraph(setting)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_it_states_every_other_name_of_the_setting(setting: Setting) -> None:
    names = [*setting.environment, *setting.flags]
    assert not names or f"Also: {', '.join(names)}." in paragraph(setting)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_it_says_what_the_setting_does_before_its_rule(setting: Setting) -> None:
    assert len(paragraph(setting).partition("Allowed:")[0].split()) >= 10
