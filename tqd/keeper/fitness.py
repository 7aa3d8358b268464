"""At the start: is this Redis fit? What is wrong is said in the log, as `tqd doctor` says it.

Only a Redis without the commands that tqd needs refuses the start. Anything else works, or will work
again, and an operator has to know of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tqd.log import Log
from tqd.store.checkup import Advice, Level

CHECK = "commands"
"""The check whose errors refuse a start."""


def tell(advice: Sequence[Advice], log: Log) -> None:
    """Log each finding, as an error or as a warning."""
    for one in advice:
        say = log.error if one.level is Level.ERROR else log.warning
        say(f"redis: {one.what}", consequence=one.why, do=one.do)


def refusal(advice: Sequence[Advice]) -> str:
    """Return why no daemon can work on such a Redis; empty when one can."""
    return next(
        (
            f"this Redis cannot be used: {one.what}: {one.why}; {one.do}"
            for one in advice
            if one.level is Level.ERROR and one.check == CHECK
        ),
        "",
    )
