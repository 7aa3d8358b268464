"""Where the calls of a task go and how: worked out once, when a task is declared or `using` is called."""

from __future__ import annotations

from dataclasses import replace

from tqd.app import Handler
from tqd.client.options import Placement
from tqd.errors import RegistrationError
from tqd.task.clocks import has_clocks
from tqd.task.model import queues
from tqd.task.uniqueness import Uniqueness, UniqueScope
from tqd.wire.signature import UNTYPED

_UNIQUE = Uniqueness(scope=UniqueScope.UNTIL_DONE, replace=False)


class Route:
    """What all calls of a task with the same options have in common.

    `queue` is this enqueue's, else the declaration's, else the default. `keeps_result` says whether
    there will be a result to wait for, as far as this process knows: the declaration of a task that is
    known by its name only is elsewhere, and may keep one. `clocked` says whether the task's clocks count
    from its enqueue, or, delayed, from a later moment that has to travel then. `unique` is None, or complete.
    `limited`: there is a limit key, which is `limit_key`, or made of an argument by `limit_by`.
    """

    __slots__ = (
        "clocked",
        "delay_ms",
        "eta_ms",
        "handler",
        "headers",
        "keeps_result",
        "limit_by",
        "limit_key",
        "limited",
        "name",
        "options",
        "queue",
        "signature",
        "unique",
    )

    def __init__(self, name: str, handler: Handler | None, placement: Placement) -> None:
        if not name:
            raise RegistrationError("a task without a name: no worker could know it; give its name there")
        self.name = name
        self.handler = handler
        self.options = placement.options
        self.clocked = handler is None or has_clocks(placement.options.over(handler.options))
        if placement.delay_ms:
            self.options = replace(placement.options, delay_s=placement.delay_ms / 1000)
        self.headers = placement.headers
        self.delay_ms = placement.delay_ms
        self.eta_ms = placement.eta_ms
        self.signature = UNTYPED if handler is None else handler.signature
        declared = None if handler is None else handler.options
        asked_s = placement.options.result_ttl_s
        self.queue = placement.options.queue or (declared and declared.queue) or queues.DEFAULT
        if asked_s is None and declared is not None:
            asked_s = declared.result_ttl_s
        self.keeps_result = asked_s is None or asked_s > 0
        asked = placement.uniqueness if handler is None else placement.uniqueness.over(handler.uniqueness)
        self.limit_key = placement.limit_key
        self.limit_by = None if handler is None else handler.limit_by
        self.limited = bool(self.limit_key) or self.limit_by is not None
        self.unique = asked.over(_UNIQUE) if asked.key else None
