"""The section of the autoscaler: its tables, older names, other places, and what it comes to."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from tqd.config.autoscaler_settings import scale_settings
from tqd.config.model import Config
from tqd.config.parse import parse
from tqd.errors import ConfigError
from tqd.scale.settings import Mode, ScaleSettings, TargetSla, Triggers


def config(**tables: Any) -> Config:
    return parse([("tqd.toml", tables)], {}, {}, 2)


def test_the_defaults_are_those_of_the_autoscaler_but_for_being_off() -> None:
    assert scale_settings(config().autoscaler) == ScaleSettings(mode=Mode.OFF)
    assert scale_settings(config(autoscaler={"enabled": True}).autoscaler) == ScaleSettings()


def test_each_rule_of_the_autoscaler_can_be_set() -> None:
    other: dict[str, Any] = {"enabled": True, "mode": "advise", "enable_adaptive_thresholds": False}
    for field in fields(ScaleSettings):
        if field.name not in ("mode", "enable_adaptive_thresholds", "scaling_triggers", "target_sla"):
            other[field.name] = 1 if field.name != "learning_rate" else 0.5
    triggers = {field.name: 1 for field in fields(Triggers)}
    sla = {field.name: 1 for field in fields(TargetSla)}
    settings = scale_settings(
        config(autoscaler=other | {"scaling_triggers": triggers, "target_sla": sla}).autoscaler
    )
    assert settings.mode is Mode.ADVISE and settings.enable_adaptive_thresholds is False
    assert settings.scaling_triggers == Triggers(**triggers)
    assert settings.target_sla == TargetSla(**sla)
    assert all(
        getattr(settings, name) == value for name, value in other.items() if name not in ("enabled", "mode")
    )


@pytest.mark.parametrize(
    ("tables", "field", "value"),
    [
        ({"autoscaler": {"scale_up_threshold": 5.0}}, "queue_pressure_threshold", 5.0),
        ({"autoscaler": {"queue_pressure_threshold": 5.0}}, "queue_pressure_threshold", 5.0),
        ({"autoscaler": {"target_sla": {"error_rate_threshold": 0.5}}}, "error_rate_threshold", 0.5),
        ({"autoscaler": {"scaling_triggers": {"learning_rate": 0.5}}}, "learning_rate", 0.5),
        ({"autoscaler": {"scaling_triggers": {"enable_adaptive_thresholds": False}}},
         "enable_adaptive_thresholds", False),
        ({"scaling_triggers": {"queue_pressure_threshold": 5.0}}, "queue_pressure_threshold", 5.0),
        ({"target_sla": {"min_success_rate": 0.5}}, "min_success_rate", 0.5),
        ({"autoscaler": {"adaptive": {"adaptation_window_minutes": 7}}}, "adaptation_window_minutes", 7.0),
        ({"autoscaler": {"adaptive": {"enabled": False}}}, "enable_adaptive_thresholds", False),
        ({"autoscaler": {"adaptive_thresholds": {"enabled": False}}}, "enable_adaptive_thresholds", False),
    ],
)  # fmt: skip
def test_older_names_and_other_places_are_understood_with_a_warning(
    tables: dict[str, Any], field: str, value: object
) -> None:
    found = config(**tables)
    assert getattr(found.autoscaler, field) == value
    assert len(found.warnings) == 1 and "autoscaler" in found.warnings[0]


@pytest.mark.parametrize("table", ["adaptive_thresholds", "adaptive"])
def test_adaptive_thresholds_that_are_enabled_do_not_switch_the_autoscaler_on(table: str) -> None:
    for found in (config(autoscaler={table: {"enabled": True}}), config(**{table: {"enabled": True}})):
        assert scale_settings(found.autoscaler) == ScaleSettings(mode=Mode.OFF)
        assert "understood as autoscaler.enable_adaptive_thresholds" in found.warnings[0]


def test_what_has_no_meaning_any_more_is_said() -> None:
    found = config(autoscaler={"scale_down_threshold": 1.0})
    assert "has no meaning any more" in found.warnings[0]


def test_where_everything_stands_in_its_place_there_is_no_warning() -> None:
    assert config(autoscaler={"target_sla": {"min_success_rate": 0.5}}).warnings == ()


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"autoscaler": {"min_workers": 30}}, "must be at most autoscaler.max_workers, which is 20"),
        ({"autoscaler": {"max_wrokers": 30}}, "did you mean autoscaler.max_workers?"),
        ({"autoscaler": {"target_sla": 5}}, "no such setting"),
        (
            {"autoscaler": {"scale_up_threshold": "much"}},
            "queue_pressure_threshold = 'much': must be a number",
        ),
        ({"autoscaler": {"scaling_triggers": {"error_rate_threshold": 1.5}}}, "must be a number, 0 to 1"),
        ({"workers": {"error_rate_threshold": 0.5}}, "no such setting"),
    ],
)
def test_what_cannot_be_is_refused(tables: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="problem") as refused:
        config(**tables)
    assert words in str(refused.value)
