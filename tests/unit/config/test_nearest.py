"""What was meant by a name that nobody knows."""

from __future__ import annotations

import pytest

from tqd.config.nearest import key_hint, section_hint, variable_hint


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("worker", {}, "did you mean workers?"),
        ("min_workers", 2, "did you mean autoscaler.min_workers?"),
        ("max_workers", 2, "did you mean autoscaler.max_workers?"),
        ("url", "x", "did you mean redis.url?"),
        ("enabled", True, "did you mean scheduler.enabled or autoscaler.enabled?"),
        ("scaling", {}, "did you mean autoscaler?"),
        ("Auto-Scaling", {}, "did you mean autoscaler?"),
        ("autoscaler.enabled", True, "did you mean autoscaler.enabled?"),
    ],
)
def test_a_section_or_a_setting_outside_of_one(name: str, value: object, hint: str) -> None:
    assert section_hint(name, value) == hint


COOLDOWNS = "autoscaler.scale_up_cooldown_seconds or autoscaler.scale_down_cooldown_seconds"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("autoscaler.min", "did you mean autoscaler.min_workers?"),
        ("autoscaler.max", "did you mean autoscaler.max_workers?"),
        ("autoscaler.cooldown", f"did you mean {COOLDOWNS}?"),
        ("autoscaler.target_sla.max", "did you mean autoscaler.max_workers?"),
        ("autoscaler.max_wrokers", "did you mean autoscaler.max_workers?"),
        ("workers.min_workers", "did you mean autoscaler.min_workers?"),
        ("node.qqqqqqqqqq", ""),
    ],
)
def test_a_key(key: str, hint: str) -> None:
    assert key_hint(key, 1) == hint


def test_the_table_of_a_queue_belongs_below_the_limits() -> None:
    assert key_hint("queues.mail", {"depth": 5}) == "limits are in [queues.limits.mail]"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TQD_SCALING__MIN", "did you mean TQD_AUTOSCALER__MIN_WORKERS?"),
        ("TQD_AUTOSCALER__MAX", "did you mean TQD_AUTOSCALER__MAX_WORKERS?"),
        ("TQD_AUTOSCALING__MODE", "did you mean TQD_AUTOSCALER__MODE?"),
        ("TQD_REDIS__ULR", "did you mean TQD_REDIS__URL?"),
        ("tqd_redis__url", "did you mean TQD_REDIS__URL?"),
        ("TQD_QQQQ__ZZZZ", ""),
    ],
)
def test_a_variable(name: str, hint: str) -> None:
    assert variable_hint(name) == hint
