"""The name that was meant, when there is none like the one that was given. Pure: words in, a hint out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from tqd.config.autoscaler_settings import SECTION
from tqd.config.model import SECTIONS
from tqd.config.table import BY_KEY, SETTINGS

_LONGEST = 100

_FOR_THE_AUTOSCALER = (
    "scaling",
    "scale",
    "scaler",
    "autoscale",
    "autoscaling",
    "auto_scaling",
    "auto_scaler",
)
"""What others call its section."""

_OF_THE_AUTOSCALER = {
    "min": ("min_workers",),
    "minimum": ("min_workers",),
    "max": ("max_workers",),
    "maximum": ("max_workers",),
    "cooldown": ("scale_up_cooldown_seconds", "scale_down_cooldown_seconds"),
    "cooldown_seconds": ("scale_up_cooldown_seconds", "scale_down_cooldown_seconds"),
}
"""What others call its settings, where the letters alone would lead elsewhere."""


def section_hint(name: str, value: object) -> str:
    """Return what was meant by an unknown section, or by a setting outside of one."""
    word = name[:_LONGEST]
    if word.lower().replace("-", "_") in _FOR_THE_AUTOSCALER:
        return _did_you_mean([SECTION])
    if not isinstance(value, dict) and (same := _same_name(word)):
        return _did_you_mean(same)
    near = get_close_matches(word, [*SECTIONS, *BY_KEY], n=1) or _same_name(word)
    return _did_you_mean(near) or "sections are " + ", ".join(SECTIONS)


def key_hint(key: str, value: object) -> str:
    """Return what was meant by an unknown key."""
    section, _, name = key.partition(".")
    if section == "queues" and isinstance(value, dict):
        return f"limits are in [queues.limits.{name[:64]}]"
    return _did_you_mean(_nearest(key[:_LONGEST]))


def variable_hint(name: str) -> str:
    """Return what was meant by an unknown variable, like `TQD_REDIS__ULR`."""
    word = name[:_LONGEST].upper()
    section, _, rest = word.removeprefix("TQD_").lower().partition("__")
    section = SECTION if section in _FOR_THE_AUTOSCALER else section
    variables = {setting.variable: setting.key for setting in SETTINGS}
    found = _nearest(f"{section}.{rest.replace('__', '.')}") if section == SECTION else []
    if not found:
        found = [variables[one] for one in get_close_matches(word, sorted(variables), n=1, cutoff=0.5)]
    return _did_you_mean(BY_KEY[key].variable for key in found)


def _nearest(key: str) -> list[str]:
    section, _, rest = key.partition(".")
    name = rest.rpartition(".")[2]
    if section == SECTION and name in _OF_THE_AUTOSCALER:
        return [f"{SECTION}.{one}" for one in _OF_THE_AUTOSCALER[name]]
    return _same_name(name or key)[:1] or get_close_matches(key, list(BY_KEY), n=1, cutoff=0.5)


def _same_name(name: str) -> list[str]:
    return [setting.key for setting in SETTINGS if setting.name == name]


def _did_you_mean(names: Iterable[str]) -> str:
    text = " or ".join(names)
    return f"did you mean {text}?" if text else ""
