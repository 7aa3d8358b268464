"""Limits of queues: their text in Redis, and the speed at which tasks were taken."""

from __future__ import annotations

import pytest

from tqd.task.queue_limit import QueueLimit, read_limit, taken_per_s

NOW_MS = 1_000_005_000  # 5 s into the window 100,000


@pytest.mark.parametrize(
    "limit",
    [
        QueueLimit(queue="mail", max_depth=5, concurrency=3, rate_per_s=0.5, burst=7),
        QueueLimit(queue="mail", rate_per_s=1 / 3600, burst=1),
        QueueLimit(queue="mail", key_concurrency=3, burst=1),
        QueueLimit(queue="mail", max_depth=2, key_rate_per_s=2.5, key_burst=4),
    ],
)
def test_a_record_is_read_as_it_was_written(limit: QueueLimit) -> None:
    read = read_limit("mail", f"{limit.record()}:host:a".encode())
    assert read is not None
    assert read[0].record() == limit.record() and read[1] == "host:a"


def test_limits_of_keys_change_no_record_of_a_queue_without_them() -> None:
    assert QueueLimit(queue="mail", max_depth=5).record() == "5:0:0.000000:1"
    read = read_limit("mail", b"5:2:0.500000:1:host")
    assert read == (QueueLimit(queue="mail", max_depth=5, concurrency=2, rate_per_s=0.5, burst=1), "host")


def test_who_does_not_know_of_limits_of_keys_reads_the_others() -> None:
    record = QueueLimit(queue="mail", max_depth=5, key_concurrency=2).record() + ":host"
    assert record.split(":", 4)[:4] == ["5", "0", "0.000000", "1"]


@pytest.mark.parametrize("record", [b"", b"1:2:3", b"a:b:c:d:e", b"\xff:1:1:1:x"])
def test_what_is_no_record_is_told(record: bytes) -> None:
    assert read_limit("mail", record) is None


@pytest.mark.parametrize(("rate_per_s", "bucket"), [(0.01, 1), (10, 1), (11, 2), (1000, 100)])
def test_without_a_burst_a_tenth_of_a_second_starts_at_once(rate_per_s: float, bucket: int) -> None:
    assert QueueLimit(queue="mail", rate_per_s=rate_per_s).bucket == bucket


def test_a_limit_says_what_it_limits() -> None:
    limit = QueueLimit(queue="mail", max_depth=5, rate_per_s=10)
    assert str(limit) == "mail: max_depth 5, rate 10/s"
    assert str(QueueLimit(queue="mail", key_concurrency=2)) == "mail: key_concurrency 2"


@pytest.mark.parametrize(
    ("flow", "per_s"),
    [
        (b"100000:50:0", 10.0),
        (b"100000:50:100", 10.0),
        (b"99999:150:7", 10.0),
        (b"99998:150:7", None),
        (b"100000:0:0", None),
        (b"", None),
        (b"x:y:z", None),
        (b"100001:5:5", None),
    ],
)
def test_the_speed_is_that_of_the_last_windows_or_not_known(flow: bytes, per_s: float | None) -> None:
    assert taken_per_s(flow, NOW_MS) == per_s


def test_a_window_that_has_just_begun_is_not_divided_by_nothing() -> None:
    assert taken_per_s(b"100000:50:0", 1_000_000_001) == 50.0
