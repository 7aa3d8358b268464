"""Merge and check: defaults < files < environment < flags. Pure; nothing is read here.

Every problem of every source is found in one go, also in values that a higher source covers: a
broken file stays broken on the day the variable is gone. Each problem says where the value came
from, and an unknown name comes with the nearest known one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tqd.config.autoscaler_settings import OBSOLETE, OTHER_SECTIONS, SECTION, contradictions, meant
from tqd.config.check import Unfit, checked, from_text
from tqd.config.model import DEFAULT_ORIGIN, SECTIONS, Config
from tqd.config.nearest import key_hint, section_hint, variable_hint
from tqd.config.redact import shown, shown_for
from tqd.config.setting import Kind, Setting, Value
from tqd.config.table import BY_KEY, SETTINGS
from tqd.errors import ConfigError, ConfigProblem

TomlFile = tuple[str, dict[str, Any]]

_TABLES = {f"{SECTION}.{name}" for name in OTHER_SECTIONS}


@dataclass(slots=True)
class Merged:
    """What the sources gave so far: a value and an origin for each key, and all problems."""

    values: dict[str, Value]
    origins: dict[str, str]
    problems: list[ConfigProblem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, setting: Setting, raw: object, origin: str, *, words: bool = False) -> None:
        """Take one value if it fits; note the problem if it does not. `words`: it is still text."""
        try:
            fit = from_text(setting, raw) if words and isinstance(raw, str) else checked(setting, raw)
        except Unfit as unfit:
            value = shown(raw, url=setting.kind is Kind.URL)
            problem = ConfigProblem(key=setting.key, value=value, rule=str(unfit), origin=origin)
            self.problems.append(problem)
            return
        self.values[setting.key] = fit
        self.origins[setting.key] = origin

    def refuse(self, key: str, value: object, rule: str, origin: str, hint: str) -> None:
        """Note a problem with a name, not with a value."""
        name, value = shown(key)[1:-1], shown_for(key, value)
        self.problems.append(ConfigProblem(key=name, value=value, rule=rule, origin=origin, hint=hint))


def parse(
    files: list[TomlFile], environ: Mapping[str, str], flags: Mapping[str, object], cores: int
) -> Config:
    """Return the configuration that the sources make together.

    `files` holds paths and their parsed TOML, later ones win. `flags` is keyed like the file
    (`redis.url`); None means that the flag was not given. Raises ConfigError with all problems.
    """
    merged = merge(files, environ, flags, cores)
    if merged.problems:
        raise ConfigError(merged.problems)
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for setting in SETTINGS:
        sections[setting.section][setting.field] = merged.values[setting.key]
    built: dict[str, Any] = {name: SECTIONS[name](**values) for name, values in sections.items()}
    return Config(**built, origins=merged.origins, warnings=tuple(merged.warnings))


def merge(
    files: list[TomlFile], environ: Mapping[str, str], flags: Mapping[str, object], cores: int
) -> Merged:
    """Return what `parse` builds the configuration from; never raises for a wrong setting."""
    merged = Merged(defaults(cores), dict.fromkeys(BY_KEY, DEFAULT_ORIGIN))
    for path, content in files:
        _merge_file(merged, path, content)
    _merge_environment(merged, environ)
    for key, raw in flags.items():
        if raw is None:
            continue
        if key in BY_KEY:
            setting = BY_KEY[key]
            name = setting.flags[0] if setting.flags else key
            merged.take(setting, raw, f"flag {name}", words=True)
        else:
            merged.refuse(key, raw, "no such setting", "flag", key_hint(key, raw))
    for key, value, rule in contradictions(merged.values):
        merged.problems.append(
            ConfigProblem(key=key, value=shown(value), rule=rule, origin=merged.origins[key])
        )
    return merged


def defaults(cores: int) -> dict[str, Value]:
    """Return each setting's default on a machine with that many cores."""
    workers = max(1, min(cores, 1024))
    return {setting.key: workers if setting.default is None else setting.default for setting in SETTINGS}


def _merge_file(merged: Merged, path: str, content: dict[str, Any]) -> None:
    for section, table in content.items():
        if section in OTHER_SECTIONS and isinstance(table, dict):
            _merge_section(merged, path, f"{SECTION}.{section}", table)
            merged.warnings.append(f"{path}: [{section}] is understood as [{SECTION}.{section}]")
        elif section not in SECTIONS:
            kind = "section" if isinstance(table, dict) else "setting outside a section"
            merged.refuse(section, table, f"no such {kind}", path, section_hint(section, table))
        elif not isinstance(table, dict):
            merged.refuse(section, table, f"must be a section: [{section}]", path, "")
        else:
            _merge_section(merged, path, section, table)


def _merge_section(merged: Merged, path: str, section: str, table: dict[str, Any]) -> None:
    for name, raw in table.items():
        key = f"{section}.{name}"
        if key in BY_KEY:
            merged.take(BY_KEY[key], raw, path)
        elif key in _TABLES and isinstance(raw, dict):
            _merge_section(merged, path, key, raw)
        elif not (key.startswith(f"{SECTION}.") and _take_elsewhere(merged, path, key, raw)):
            merged.refuse(key, raw, "no such setting", path, key_hint(key, raw))


def _take_elsewhere(merged: Merged, path: str, key: str, raw: object) -> bool:
    """Take what is a setting of the autoscaler under another name, or in another of its tables."""
    table, _, name = key.rpartition(".")
    if name in OBSOLETE:
        merged.warnings.append(f"{path}: {key} has no meaning any more: {OBSOLETE[name]}")
        return True
    place = meant(table, name)
    if place:
        merged.take(BY_KEY[place], raw, path)
        merged.warnings.append(f"{path}: {key} is understood as {place}: write it there")
    return bool(place)


def _merge_environment(merged: Merged, environ: Mapping[str, str]) -> None:
    for setting in SETTINGS:
        for name in _given(setting, environ):
            merged.take(setting, environ[name], f"environment {name}", words=True)
            break
    variables = {setting.variable for setting in SETTINGS}
    for name in sorted(environ):
        if name.startswith("TQD_") and "__" in name and name not in variables:
            merged.refuse(name, environ[name], "no such setting", "environment", variable_hint(name))


def _given(setting: Setting, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the setting's variables that are set, the strongest first; an empty alias is unset."""
    if setting.variable in environ:
        yield setting.variable
    yield from (name for name in setting.environment if environ.get(name))
