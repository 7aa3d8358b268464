"""The conversations of a recording: whose it is at each call, and what is fetched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tqd.store import recording
from tqd.store.keys import Keys
from tqd.store.recording import FETCH, Held
from tqd.store.talk import Talk

KEYS = Keys("tqd")


class Redis:
    """As much of it as a recording needs; `repeat` carries out each exchange twice, as after a lost reply."""

    def __init__(self, owner: bytes | None = None, *batches: Any, repeat: bool = False) -> None:
        self.owner = owner
        self.batches = [json.dumps(batch).encode() for batch in batches]
        self.repeat = repeat

    def lead(self, talk: Talk[Any]) -> Any:
        replies: list[Any] = []
        try:
            step = next(talk)
            while True:
                assert isinstance(step, list)
                if self.repeat:
                    [self._carry_out(command) for command in step]
                replies = [self._carry_out(command) for command in step]
                step = talk.send(replies)
        except StopIteration as end:
            return end.value

    def _carry_out(self, command: tuple[Any, ...]) -> Any:
        match command:
            case ("GET", KEYS.tracing):
                return self.owner
            case ("SET", KEYS.tracing, str(who), "EX", 15, "NX"):
                if self.owner is not None:
                    return None
                self.owner = who.encode()
                return b"OK"
            case ("EXPIRE", KEYS.tracing, 15):
                return int(self.owner is not None)
            case ("LPOP", KEYS.trace, int(count)):
                popped, self.batches = self.batches[:count], self.batches[count:]
                return popped or None
            case ("DEL", *keys):
                self.owner = None if KEYS.tracing in keys else self.owner
                self.batches = [] if KEYS.trace in keys else self.batches
                return 1
        raise AssertionError(command)


def test_what_is_ours_goes_on() -> None:
    redis = Redis(b"me", *[[0, [[number]]] for number in range(FETCH + 5)])
    held, batches = redis.lead(recording.fetch(KEYS, "me"))
    assert (held, len(batches), batches[-1]) == (Held.OURS, FETCH + 5, (0, [[FETCH + 4]]))


@pytest.mark.parametrize("repeat", [False, True])
def test_what_is_gone_is_begun_anew_and_what_was_handed_over_before_is_fetched(repeat: bool) -> None:
    redis = Redis(None, *([] if repeat else [[1, [[7]]]]), repeat=repeat)
    held, batches = redis.lead(recording.fetch(KEYS, "me"))
    assert (held, redis.owner) == (Held.ANEW, b"me")
    assert batches == ([] if repeat else [(1, [[7]])])


def test_of_what_is_anothers_nothing_is_fetched_and_nothing_ended() -> None:
    redis = Redis(b"other", [0, [[1]]])
    assert redis.lead(recording.fetch(KEYS, "me")) == (Held.ANOTHERS, [])
    redis.lead(recording.end(KEYS, "me"))
    assert (redis.owner, len(redis.batches)) == (b"other", 1)


def test_ours_is_ended() -> None:
    redis = Redis(b"me", [0, [[1]]])
    redis.lead(recording.end(KEYS, "me"))
    assert (redis.owner, redis.batches) == (None, [])
