"""A claim: the right of one worker to run one attempt of one task.

The claim's token is what the worker shows when it settles, and Redis compares it byte by byte with
what it noted at the claim. It reads `fence:attempts:crashes:queue`:

- fence     counts every claim of the task, so no two owners ever hold equal tokens;
- attempts  counts the attempts that were charged (a release or a lost worker charges none);
- crashes   counts the workers that died while they held the task, and in its hundreds those among them that
            somebody may have killed: they say little about the task (`Blame`); from its ten thousands on
            those of which it seems to be the reason;
- queue     is where the task came from and where it goes back to.
"""

from __future__ import annotations

from enum import IntEnum

SUSPECT_WEIGHT = 4
"""Two crashes, or four kills, of workers that held a task make it a suspect: it runs alone in the probe. One
is enough of which it seems to be the reason."""

REPLAYED_FENCE = 10**12
"""The fence of a replayed task goes on from the epoch ms of its replay; no other comes near."""

_REPLAY_STEP = 10_000
_MAX_DIGITS = 15
_KILLS, _SUSPECTED = 100, 10_000


class Blame(IntEnum):
    """What the death of a worker says about a task that it held.

    none: something else is known to be the reason. lost: it ended with its daemon or host, nobody saw how.
    kill: it was killed by nobody knows whom. again: so, just after another one. crash: it died by itself.
    suspect: this very task seems to be the reason.
    """

    NONE = 0
    LOST = 1
    KILL = 2
    AGAIN = 3
    CRASH = 4
    SUSPECT = 5


_RECORDED = {
    Blame.NONE: 0, Blame.LOST: _KILLS + 1, Blame.KILL: _KILLS + 1, Blame.AGAIN: _KILLS + 1,
    Blame.CRASH: 1, Blame.SUSPECT: _SUSPECTED + 1,
}  # fmt: skip


class Counts:
    """What is remembered of a task between its claims."""

    __slots__ = ("attempts", "crashes", "fence")

    def __init__(self, fence: int, attempts: int, crashes: int) -> None:
        self.fence = fence
        self.attempts = attempts
        self.crashes = crashes

    @property
    def claims(self) -> int:
        """How often the task was claimed, since its last replay if there was one (up to 10,000)."""
        return self.fence % _REPLAY_STEP if self.fence >= REPLAYED_FENCE else self.fence

    def record(self) -> bytes:
        """Return the value that the `attempts` hash keeps."""
        return b"%d:%d:%d" % (self.fence, self.attempts, self.crashes)

    def charged(self) -> Counts:
        """Return the counts after an attempt that failed."""
        return Counts(self.fence, self.attempts + 1, self.crashes)

    def crashed(self, blame: Blame = Blame.CRASH) -> Counts:
        """Return the counts after the worker died that held the task."""
        return Counts(self.fence, self.attempts, self.crashes + _RECORDED[blame])

    def acquitted(self) -> Counts:
        """Return the counts after an attempt that its process has outlived: no suspicion is left."""
        return Counts(self.fence, self.attempts, 0) if self.suspect else self

    @property
    def deaths(self) -> int:
        """How many workers died while they held the task."""
        return self.crashes % _KILLS

    @property
    def suspect(self) -> bool:
        """Whether the task may be what its workers died of: it runs where it can harm nobody else."""
        kills, suspected = self.crashes // _KILLS % _KILLS, self.crashes // _SUSPECTED
        return bool(suspected) or kills + 2 * (self.deaths - kills) >= SUSPECT_WEIGHT


class Claim:
    """One claimed task as it comes from Redis; `envelope` is not decoded yet."""

    __slots__ = ("envelope", "task_id", "token")

    def __init__(self, task_id: bytes, token: bytes, envelope: bytes) -> None:
        self.task_id = task_id
        self.token = token
        self.envelope = envelope


def parse_token(token: bytes) -> tuple[Counts, str]:
    """Return the counts and the queue in a token; ValueError when it is none."""
    fence, attempts, crashes, queue = token.split(b":", 3)
    return Counts(_number(fence), _number(attempts), _number(crashes)), queue.decode()


def _number(digits: bytes) -> int:
    # Somebody may have put any number of digits there; more than these mean nothing and travel nowhere.
    return int(digits[:_MAX_DIGITS])
