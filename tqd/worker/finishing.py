"""Makes the record of a task that is done and whose result somebody wants."""

from __future__ import annotations

from tqd.log import Log
from tqd.task.identity import to_text
from tqd.task.model import TaskState
from tqd.task.outcome import describe
from tqd.task.settle import Finish, result_ttl_ms
from tqd.wire.envelope import encode_value
from tqd.wire.records import ResultRecord
from tqd.worker.inflight import Attempt


def finished(attempt: Attempt, value: object, now_ms: int, max_bytes: int, log: Log) -> Finish:
    """Return how an attempt is settled that returned `value`; why, in its place, if that cannot travel.

    `now_ms` is Redis's clock. A result has at most `max_bytes`.
    """
    try:
        encoded = encode_value(attempt.handler.signature.encode_result(value), max_bytes)
        record = ResultRecord(state=TaskState.DONE, value=encoded, finished_ms=now_ms)
    except BaseException as error:
        # The work is done and stays done; whoever waits is told why there is no value. The value's
        # attributes are user code: reading them may raise anything.
        reason = describe(error)[0].message
        log.warning("result cannot travel", task=to_text(attempt.task_id), error=reason)
        record = ResultRecord(
            state=TaskState.DONE,
            error_type="Unserialisable",
            error_message=reason,
            finished_ms=now_ms,
        )
    return Finish(attempt.task_id, attempt.token, result_ttl_ms(attempt.options), record.encode())
