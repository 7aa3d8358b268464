"""What follows from an outcome: complete, finish, retry, bury, release or park.

One pure function, `settlement`, decides; the settler sends its answer to Redis. A worker that died
is settled with the same values by the keeper (`reclaimed`).
"""

from __future__ import annotations

from tqd.task.cancelling import KEPT_S
from tqd.task.claim import Blame, Claim, Counts, parse_token
from tqd.task.clocks import past_deadline
from tqd.task.history import PastError, past_error
from tqd.task.model import TaskOptions
from tqd.task.outcome import (
    Cancelled,
    Discarded,
    Done,
    ErrorInfo,
    Expired,
    Killed,
    Outcome,
    Overdue,
    Raised,
    Released,
    RetryAsked,
    TimedOut,
    UnknownName,
    Unreadable,
)
from tqd.task.retry import retry_delay_s


class Complete:
    """The task is done and keeps no result."""

    __slots__ = ("task_id", "token")

    def __init__(self, task_id: bytes, token: bytes) -> None:
        self.task_id = task_id
        self.token = token


class Completes:
    """Many tasks that are done and keep no result: id, token, id, token, ... in one flat list.

    What a busy worker settles most, so it costs no object for each.
    """

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[bytes]) -> None:
        self.pairs = pairs


class Finish:
    """The task is done; its result, an encoded record, is kept for `ttl_ms`."""

    __slots__ = ("result", "task_id", "token", "ttl_ms")

    def __init__(self, task_id: bytes, token: bytes, ttl_ms: int, result: bytes) -> None:
        self.task_id = task_id
        self.token = token
        self.ttl_ms = ttl_ms
        self.result = result


class RetryAt:
    """The task runs again at `due_ms` (Redis's clock), on the queue it came from.

    `error` goes into the task's error history; None: the attempt has not failed, the handler asked.
    """

    __slots__ = ("counts", "due_ms", "error", "queue", "task_id", "token")

    def __init__(
        self,
        task_id: bytes,
        token: bytes,
        queue: str,
        due_ms: int,
        counts: Counts,
        error: PastError | None = None,
    ) -> None:
        self.task_id = task_id
        self.token = token
        self.queue = queue
        self.due_ms = due_ms
        self.counts = counts
        self.error = error


class Release:
    """The task goes back to the head of its queue, uncharged."""

    __slots__ = ("counts", "queue", "task_id", "token")

    def __init__(self, task_id: bytes, token: bytes, queue: str, counts: Counts) -> None:
        self.task_id = task_id
        self.token = token
        self.queue = queue
        self.counts = counts


class Park:
    """The task waits for a worker that knows its name."""

    __slots__ = ("counts", "name", "task_id", "token")

    def __init__(self, task_id: bytes, token: bytes, name: str, counts: Counts) -> None:
        self.task_id = task_id
        self.token = token
        self.name = name
        self.counts = counts


class Dismiss:
    """The task ends as cancelled; who waits for its result (`ttl_ms` > 0) is told.

    On its handler's word, or because somebody `asked` for it.
    """

    __slots__ = ("asked", "reason", "task_id", "token", "ttl_ms")

    def __init__(self, task_id: bytes, token: bytes, reason: str, ttl_ms: int, asked: bool = False) -> None:
        self.task_id = task_id
        self.token = token
        self.reason = reason
        self.ttl_ms = ttl_ms
        self.asked = asked


class Expire:
    """The task ends as expired: it was not begun in time; who waits for its result (`ttl_ms` > 0) is told."""

    __slots__ = ("reason", "task_id", "token", "ttl_ms")

    def __init__(self, task_id: bytes, token: bytes, reason: str, ttl_ms: int) -> None:
        self.task_id = task_id
        self.token = token
        self.reason = reason
        self.ttl_ms = ttl_ms


class Bury:
    """The task becomes a dead letter; whoever waits for its result (`ttl_ms` > 0) is told."""

    __slots__ = ("attempts", "claim", "errors", "reason", "ttl_ms")

    def __init__(
        self, claim: Claim, reason: str, errors: tuple[ErrorInfo, ...], attempts: int, ttl_ms: int
    ) -> None:
        self.claim = claim
        self.reason = reason
        self.errors = errors
        self.attempts = attempts
        self.ttl_ms = ttl_ms


TIMEOUT_TYPE = "TimeoutError"
HARD_TIMEOUT_TYPE = "HardTimeout"
DEADLINE_TYPE = "DeadlineExceeded"
"""The types of the errors that time limits make; a hard one the same, whoever enforces it."""

CRASH_TYPE, CRASH_REASON = "WorkerCrashed", "killed its worker"
"""The error of a task that its worker died of, and the reason of its dead letter: no attempt follows."""

MOST_DEATHS = 10
"""Workers that may die while they hold a task, whatever they died of: more are not given to it."""

FREE_CLAIMS = 1000
"""A handler may ask for a retry that costs none until its task was claimed so often: whatever asks for
ever ends, and its end is seen."""

Settlement = Complete | Completes | Finish | RetryAt | Release | Park | Dismiss | Expire | Bury


def settlement(
    claim: Claim, outcome: Outcome, options: TaskOptions, now_ms: int, chance: float, stretch: float = 1.0
) -> Settlement:
    """Return what follows from `outcome`.

    `options` are complete (every level merged), a deadline in them is a moment; `now_ms` is Redis's clock,
    `chance` in [0, 1). `stretch` lengthens the delay that the policy gives, not one that the handler asked
    for.
    A `Done` comes here only when it keeps no result: a result is encoded first, into `Finish`.
    """
    task_id, token = claim.task_id, claim.token
    if isinstance(outcome, Done):
        return Complete(task_id, token)
    counts, queue = parse_token(token)
    match outcome:
        case Released():
            return Release(task_id, token, queue, counts)
        case UnknownName(name):
            return Park(task_id, token, name, counts)
        case Unreadable(problem, reason, kind):
            error = ErrorInfo(type=kind, message=problem, traceback="")
            return Bury(claim, reason, (error,), counts.attempts, result_ttl_ms(options))
        case Discarded(reason) | Cancelled(reason):
            asked = isinstance(outcome, Cancelled)
            kept_ms = max(round(KEPT_S * 1000) if asked else 0, result_ttl_ms(options))
            return Dismiss(task_id, token, reason, kept_ms, asked)
        case Expired(late_s):
            reason = f"it had not begun when it expired, {late_s:.3g} s before it was claimed"
            return Expire(task_id, token, reason, result_ttl_ms(options))
        case Overdue(late_s, running):
            return _overdue(claim, late_s, running, options)
        case RetryAsked():
            return _asked(claim, outcome, options, now_ms, chance)
        case Raised(chain, final):
            delay_s = policy_delay_s(counts, options, chance, stretch)
            return _failed(claim, "raised", chain, final, options, now_ms, delay_s)
        case TimedOut(limit_s, hard, final):
            kind, name = (HARD_TIMEOUT_TYPE, "hard_timeout") if hard else (TIMEOUT_TYPE, "timeout")
            message = f"the attempt was still running after its {name} of {limit_s:g} s"
            error = ErrorInfo(type=kind, message=message, traceback="")
            delay_s = policy_delay_s(counts, options, chance, stretch)
            return _failed(claim, "timed out", (error,), final, options, now_ms, delay_s)
        case Killed(error):
            return _killed(claim, error, options, now_ms, chance)


def _asked(
    claim: Claim, asked: RetryAsked, options: TaskOptions, now_ms: int, chance: float
) -> RetryAt | Bury:
    counts, queue = parse_token(claim.token)
    delay_s = policy_delay_s(counts, options, chance) if asked.delay_s is None else asked.delay_s
    if asked.spend or counts.claims >= FREE_CLAIMS:
        return _failed(claim, "raised", asked.chain, False, options, now_ms, delay_s)
    due_ms = now_ms + max(1, round(delay_s * 1000))
    if past_deadline(options, due_ms):
        return Bury(claim, "deadline", asked.chain, counts.attempts + 1, result_ttl_ms(options))
    return RetryAt(claim.task_id, claim.token, queue, due_ms, counts.acquitted())


def _failed(
    claim: Claim,
    reason: str,
    chain: tuple[ErrorInfo, ...],
    final: bool,
    options: TaskOptions,
    now_ms: int,
    delay_s: float,
) -> RetryAt | Bury:
    counts, queue = parse_token(claim.token)
    if final or counts.attempts >= (options.max_retries or 0):
        return Bury(claim, reason, chain, counts.attempts + 1, result_ttl_ms(options))
    due_ms = now_ms + max(1, round(delay_s * 1000))
    if past_deadline(options, due_ms):
        return Bury(claim, "deadline", chain, counts.attempts + 1, result_ttl_ms(options))
    error = past_error(counts.attempts + 1, now_ms, reason, chain[0])
    # A suspect that has failed has not killed its process: it may run among others again.
    return RetryAt(claim.task_id, claim.token, queue, due_ms, counts.acquitted().charged(), error)


def _killed(
    claim: Claim, error: ErrorInfo, options: TaskOptions, now_ms: int, chance: float
) -> RetryAt | Bury:
    counts = parse_token(claim.token)[0]
    if error.type == CRASH_TYPE:
        return Bury(claim, CRASH_REASON, (error,), counts.attempts + 1, result_ttl_ms(options))
    reason = "timed out" if error.type == HARD_TIMEOUT_TYPE else "killed"
    delay_s = policy_delay_s(counts, options, chance)
    return _failed(claim, reason, (error,), False, options, now_ms, delay_s)


def _overdue(claim: Claim, late_s: float, running: bool, options: TaskOptions) -> Bury:
    attempts = parse_token(claim.token)[0].attempts + (1 if running else 0)
    what = "the attempt was still running at" if running else f"no attempt begins {late_s:.3g} s after"
    error = ErrorInfo(type=DEADLINE_TYPE, message=f"{what} the task's deadline", traceback="")
    return Bury(claim, "deadline", (error,), attempts, result_ttl_ms(options))


def policy_delay_s(counts: Counts, options: TaskOptions, chance: float, stretch: float = 1.0) -> float:
    """Return how long a task waits for its next attempt, as its options say, in s."""
    base_s, max_s = options.retry_delay_s or 0.0, options.max_retry_delay_s or 0.0
    return retry_delay_s(counts.attempts, base_s, max_s, chance, stretch)


def result_ttl_ms(options: TaskOptions) -> int:
    """Return how long a result is kept, in ms; 0 when nobody asked for it."""
    return round((options.result_ttl_s or 0.0) * 1000)


def reclaimed(task_id: bytes, token: bytes, blame: Blame = Blame.CRASH) -> Release:
    """Return what happens to a task whose worker died: back to its queue, with the death on its record.

    With the second crash, or the fourth kill, it becomes a suspect.
    """
    counts, queue = parse_token(token)
    return Release(task_id, token, queue, counts.crashed(blame))


def beyond_hope(token: bytes) -> bool:
    """Tell whether one more death of a worker is more than this task may cost; ValueError as above."""
    return parse_token(token)[0].deaths + 1 >= MOST_DEATHS
