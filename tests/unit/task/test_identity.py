"""Task ids."""

from __future__ import annotations

import pytest

from tqd.task.identity import MAX_SHARD, created_ms, from_text, shard_of, task_id, task_ids, to_text

NOISE = bytes(range(8))


@pytest.mark.parametrize("shard", [0, 1, MAX_SHARD])
@pytest.mark.parametrize("ms", [0, 1_700_000_000_000, (1 << 48) - 1])
def test_an_id_says_its_time_and_its_shard(ms: int, shard: int) -> None:
    identity = task_id(ms, shard, NOISE)
    assert len(identity) == 16
    assert (created_ms(identity), shard_of(identity), identity[8:]) == (ms, shard, NOISE)


def test_ids_of_a_batch_are_those_that_one_would_get_one_by_one() -> None:
    assert task_ids(7, 3, NOISE + NOISE[::-1]) == [task_id(7, 3, NOISE), task_id(7, 3, NOISE[::-1])]


def test_ids_sort_by_time() -> None:
    ids = [task_id(ms, shard, noise) for ms in (1, 2, 300) for shard, noise in ((5, b"z" * 8), (7, b"a" * 8))]
    assert ids == sorted(ids)
    assert [to_text(one) for one in ids] == sorted(map(to_text, ids))


def test_text_and_back_is_the_same() -> None:
    identity = task_id(1_700_000_000_000, 9, NOISE)
    assert from_text(to_text(identity)) == identity
    assert len(to_text(identity)) == 32


@pytest.mark.parametrize(
    "text", ["", "xyz", "00" * 15, "00" * 17, "0" * 31, "AB" * 16, " " + "00" * 16, "00 " * 16]
)
def test_a_text_that_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a task id: an id is 32 hexadecimal digits"):
        from_text(text)
