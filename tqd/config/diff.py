"""What differs between two configurations, and what of it counts at a reload. Pure.

`effective` is what a reloaded daemon goes on with: it never holds a value that needs a restart, so
that whoever asks the daemon for its settings is told those that it really uses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tqd.config.model import SECTIONS, Config
from tqd.config.redact import shown
from tqd.config.setting import Kind, Reload, Setting, Value
from tqd.config.table import BY_KEY, SETTINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One setting that differs: its value before and after, and what the change needs to count."""

    key: str
    old: Value
    new: Value
    reload: Reload

    @property
    def old_text(self) -> str:
        """Return how the value before looks in a message, without passwords."""
        return _shown(BY_KEY[self.key], self.old)

    @property
    def new_text(self) -> str:
        """Return how the value after looks in a message, without passwords.

        When that is how the value before looks, too, it says so: a password alone was changed.
        """
        text = _shown(BY_KEY[self.key], self.new)
        return f"{text} (differs in what is not shown)" if text == self.old_text else text

    @property
    def text(self) -> str:
        """Return `redis.url: redis://a → redis://b`, without passwords and of bounded length."""
        return f"{self.key}: {self.old_text} → {self.new_text}"


def diff(old: Config, new: Config) -> tuple[Change, ...]:
    """Return the settings whose values differ, in the order of the table."""
    pairs = ((setting, _value(old, setting), _value(new, setting)) for setting in SETTINGS)
    return tuple(
        Change(key=setting.key, old=before, new=after, reload=setting.reload)
        for setting, before, after in pairs
        if before != after
    )


def effective(old: Config, new: Config) -> Config:
    """Return what counts after a reload: `new`, with the old value and origin where a restart is needed."""
    kept: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    origins = dict(new.origins)
    for setting in SETTINGS:
        if setting.reload is Reload.RESTART:
            kept[setting.section][setting.field] = _value(old, setting)
            origins[setting.key] = old.origins[setting.key]
    sections: dict[str, Any] = {
        section: replace(getattr(new, section), **values) for section, values in kept.items()
    }
    return replace(new, **sections, origins=origins)


def sentences(changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Return what `tqd reload` says about the changes: live, then by new workers, then kept ones."""
    if not changes:
        return ("no setting has changed",)
    live = [change.text for change in changes if change.reload is Reload.LIVE]
    workers = [change.text for change in changes if change.reload is Reload.WORKERS]
    told = [f"taken over: {', '.join(live)}"] if live else []
    told += [f"taken over by the new workers: {', '.join(workers)}"] if workers else []
    told += [
        f"keeps {change.key} = {change.old_text} until a restart; the new value is {change.new_text}"
        for change in changes
        if change.reload is Reload.RESTART
    ]
    return tuple(told)


def _value(config: Config, setting: Setting) -> Value:
    value: Value = getattr(getattr(config, setting.section), setting.field)
    return value


def _shown(setting: Setting, value: Value) -> str:
    text = shown(value, url=setting.kind is Kind.URL)
    return text[1:].removesuffix(text[0]) if isinstance(value, str) and value else text
