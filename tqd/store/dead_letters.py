"""Dead letters in Redis as conversations: finding, showing, replaying, purging. No I/O of its own.

Every read is a page of at most 50 records; a search goes by the time of death from page to page, so that
letters that come or go meanwhile do not shift it. What is replayed or purged are those that were there
at the start: a task that dies again is not replayed again by the same run. A run has a name; Redis notes
it with each task that it replays, so that a call whose reply was lost can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field

from tqd.clock import monotonic
from tqd.store.calls import Command
from tqd.store.connection import Replies, redis_ms, whole_ms
from tqd.store.keys import Keys
from tqd.store.scripts import sha
from tqd.store.talk import Pause, Talk
from tqd.task.pace import Pace
from tqd.wire.dead_letter import DeadFilter, DeadLetter, read_letter

PAGE = 50
"""Records in one reply: each holds a payload and up to 8 tracebacks."""

SEARCH_LIMIT = 10_000
"""Letters that `find` looks through at most."""

NOTE_TTL_MS = 7 * 86_400_000
"""How long it is remembered of a task that it was replayed."""

MOST_SKIPPED = 100

_REPLAY = sha("replay")
_PURGE = sha("purge")

Row = tuple[bytes, float]
"""An id and its time of death, as Redis has it."""

Pages = Generator[list[Command] | Pause, Replies, list[DeadLetter]]
Chosen = Sequence[bytes] | DeadFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Letters that match, the newest first; with `more` there may be others that were not looked at."""

    letters: list[DeadLetter]
    more: bool


@dataclass(slots=True, kw_only=True)
class Swept:
    """What a replay or a purge has done, or with `dry_run` would do.

    `matched` letters were meant and there; `done` of them were replayed or purged, by task name in
    `by_name`. `skipped` are those that cannot be, with the reason (the first 100). `missing` are ids
    without a dead letter.
    """

    matched: int = 0
    done: int = 0
    by_name: dict[str, int] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def count(self, letters: Iterable[DeadLetter]) -> None:
        """Add letters that are dealt with."""
        for letter in letters:
            self.done += 1
            self.by_name[letter.name] = self.by_name.get(letter.name, 0) + 1

    def settle(self, letters: Sequence[DeadLetter], ids: Iterable[bytes]) -> None:
        """Add letters of which Redis has dealt with those of `ids`."""
        done = {identity.hex() for identity in ids}
        self.count(letter for letter in letters if letter.id in done)
        for letter in letters:
            if letter.id not in done:
                self.skip(letter, "it was replayed or removed meanwhile")

    def skip(self, letter: DeadLetter, reason: str) -> None:
        """Add a letter that stays what it is."""
        if len(self.skipped) < MOST_SKIPPED:
            self.skipped.append((letter.id, reason))


OnSwept = Callable[[Swept], None]


def total(keys: Keys) -> Talk[int]:
    """Count the dead letters."""
    (count,) = yield [("ZCARD", keys.dead)]
    return int(count)


def find(keys: Keys, which: DeadFilter, limit: int) -> Talk[Found]:
    """Find up to `limit` letters, the newest first; looks through 10,000 at most."""
    walk = yield from _walk(keys, which, newest_first=True)
    found: list[DeadLetter] = []
    looked = 0
    while looked < SEARCH_LIMIT:
        page = yield from walk.page()
        if not page:
            return Found(letters=found, more=False)
        looked += len(page)
        found += [letter for letter in page if which.matches(letter)]
        if len(found) > limit:
            break
    return Found(letters=found[:limit], more=True)


def get(keys: Keys, identity: bytes) -> Talk[DeadLetter | None]:
    """Look one letter up; None when the task is no dead letter."""
    letters = yield from _letters(keys, [identity])
    return letters[0] if letters else None


def replay(
    keys: Keys,
    chosen: Chosen,
    run: str,
    pace: Pace,
    limit: int | None = None,
    dry_run: bool = False,
    on_page: OnSwept | None = None,
) -> Talk[Swept]:
    """Make letters tasks again, the oldest first: at the tail of their queues, with fresh attempts.

    `run` names this replay, and no other. A task whose bytes cannot be read is skipped: its queue is unknown.
    """
    swept = Swept()
    source = yield from _source(keys, chosen, swept)
    while page := (yield from source.page(None if limit is None else limit - swept.matched)):
        swept.matched += len(page)
        for letter in page:
            if letter.problem:
                swept.skip(letter, letter.problem)
        able = [letter for letter in page if not letter.problem]
        if dry_run:
            swept.count(able)
        else:
            yield from _replay_page(keys, able, run, pace, swept, on_page)
    return swept


def purge(
    keys: Keys,
    chosen: Chosen,
    limit: int | None = None,
    dry_run: bool = False,
    on_page: OnSwept | None = None,
) -> Talk[Swept]:
    """Remove letters for good, the oldest first."""
    swept = Swept()
    source = yield from _source(keys, chosen, swept)
    while page := (yield from source.page(None if limit is None else limit - swept.matched)):
        swept.matched += len(page)
        if dry_run:
            swept.count(page)
            continue
        (ids,) = yield [purge_call(keys, [(bytes.fromhex(one.id), one.failed_ms) for one in page])]
        swept.settle(page, ids)
        if on_page is not None:
            on_page(swept)
    return swept


def _replay_page(
    keys: Keys,
    page: Sequence[DeadLetter],
    run: str,
    pace: Pace,
    swept: Swept,
    on_page: OnSwept | None,
) -> Talk[None]:
    """Replay the letters of a page, those of one queue together and in their order."""
    by_queue: dict[str, list[DeadLetter]] = {}
    for letter in page:
        by_queue.setdefault(letter.queue, []).append(letter)
    for queue, rest in by_queue.items():
        while rest:
            batch, rest = rest[: (most := pace.batch(PAGE))], rest[most:]
            if (wait_s := pace.pause_s(monotonic())) > 0:
                yield Pause(wait_s)
            (time,) = yield [("TIME",)]
            tasks = [(bytes.fromhex(letter.id), letter.envelope) for letter in batch]
            (ids,) = yield [replay_call(keys, queue, tasks, run, int(redis_ms(time)))]
            pace.gone(len(batch), monotonic())
            swept.settle(batch, ids)
            if on_page is not None:
                on_page(swept)


def replay_call(
    keys: Keys, queue: str, tasks: Sequence[tuple[bytes, bytes]], run: str, now_ms: int
) -> Command:
    """Return the call that replays up to 50 tasks of a queue, each an id with its envelope."""
    names = [keys.dead, keys.failure, keys.task, keys.attempts, keys.ready(queue), keys.bell(queue)]
    for identity, _ in tasks:
        names += (keys.replay(identity), keys.result(identity))
    pairs = (value for task in tasks for value in task)
    return ("EVALSHA", _REPLAY, len(names), *names, run, now_ms, NOTE_TTL_MS, *pairs)


def purge_call(keys: Keys, rows: Sequence[tuple[bytes, int]]) -> Command:
    """Return the call that removes up to 500 letters, each an id with the time of its death."""
    return ("EVALSHA", _PURGE, 2, keys.dead, keys.failure, *(value for row in rows for value in row))


# -- which letters --------------------------------------------------------------------------------


class _Walk:
    """Goes over the dead letters between two times, a page at a time."""

    def __init__(self, keys: Keys, which: DeadFilter, start: str, end: str, newest_first: bool) -> None:
        self._keys = keys
        self._which = which
        self._at = start
        self._end = end
        self._command = "ZREVRANGEBYSCORE" if newest_first else "ZRANGEBYSCORE"
        self._seen: set[bytes] = set()

    def page(self) -> Pages:
        """Read the next letters, of whatever kind; none: the end."""
        # Several may have died in the same millisecond: the next page begins with that again.
        count = PAGE + len(self._seen)
        (rows,) = yield [
            (self._command, self._keys.dead, self._at, self._end, "WITHSCORES", "LIMIT", 0, count)
        ]
        fresh: list[Row] = [(identity, ms) for identity, ms in rows if identity not in self._seen][:PAGE]
        if not fresh:
            return []
        last = _score(fresh[-1][1])
        same = {identity for identity, ms in fresh if _score(ms) == last}
        self._seen = self._seen | same if last == self._at else same
        self._at = last
        records: list[bytes | None]
        (records,) = yield [("HMGET", self._keys.failure, *(identity for identity, _ in fresh))]
        return [
            read_letter(row[0], whole_ms(row[1]), record) for row, record in zip(fresh, records, strict=True)
        ]


class _Matching:
    """The letters of a walk that match, a page at a time."""

    def __init__(self, walk: _Walk, which: DeadFilter) -> None:
        self._walk = walk
        self._which = which

    def page(self, most: int | None) -> Pages:
        """Read on until some match; at most `most`. None: the end."""
        while most is None or most > 0:
            page = yield from self._walk.page()
            if not page:
                break
            matching = [letter for letter in page if self._which.matches(letter)]
            if matching:
                return matching[:most]
        return []


class _Named:
    """The letters of given ids, a page at a time; notes those that are none."""

    def __init__(self, keys: Keys, ids: Sequence[bytes], swept: Swept) -> None:
        self._keys = keys
        self._ids = list(dict.fromkeys(ids))
        self._swept = swept

    def page(self, most: int | None) -> Pages:
        """Read the next letters that are there; at most `most`. None: the end."""
        while self._ids and (most is None or most > 0):
            size = PAGE if most is None else min(PAGE, most)
            ids, self._ids = self._ids[:size], self._ids[size:]
            letters = yield from _letters(self._keys, ids)
            there = {letter.id for letter in letters}
            self._swept.missing += [identity.hex() for identity in ids if identity.hex() not in there]
            if letters:
                return letters
        return []


def _source(keys: Keys, chosen: Chosen, swept: Swept) -> Talk[_Matching | _Named]:
    if not isinstance(chosen, DeadFilter):
        return _Named(keys, chosen, swept)
    walk = yield from _walk(keys, chosen, newest_first=False)
    return _Matching(walk, chosen)


def _walk(keys: Keys, which: DeadFilter, *, newest_first: bool) -> Talk[_Walk]:
    """Begin a walk over those that are there now."""
    time, newest = yield [("TIME",), ("ZRANGE", keys.dead, -1, -1, "WITHSCORES")]
    earliest, latest = which.span_ms(int(redis_ms(time)))
    top = newest[0][1] if newest else 0.0
    low = "-inf" if earliest is None else str(earliest)
    high = _score(top if latest is None else min(top, float(latest)))
    start, end = (high, low) if newest_first else (low, high)
    return _Walk(keys, which, start, end, newest_first)


def _letters(keys: Keys, ids: Sequence[bytes]) -> Talk[list[DeadLetter]]:
    scores, records = yield [("ZMSCORE", keys.dead, *ids), ("HMGET", keys.failure, *ids)]
    rows = zip(ids, scores, records, strict=True)
    return [read_letter(identity, whole_ms(ms), record) for identity, ms, record in rows if ms is not None]


def _score(ms: float) -> str:
    return str(int(ms)) if float(ms).is_integer() else repr(float(ms))
