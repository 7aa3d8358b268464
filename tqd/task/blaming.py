"""Which tasks a worker's death speaks against, of all that it had in hand. Pure.

A death is on the record of each, with three exceptions. Nobody is blamed for what has another reason. When
the worker itself has told whose code was about to end it, that task alone is a suspect. And a kill that
nobody explains, just after another one, speaks against those that were there both times:

A task may have its worker killed in ways that cannot be seen. To wait until it has cost four workers would be
fair, and dear; two are enough to look, when they follow each other so quickly. An innocent one loses nothing
by that but its turn: with n of them that run for t s each the last one waits for up to n · t s, shared among
the probes, which is why they may not be many. Kills at a slower pace, such as somebody's who tries what a
kill does, wait for the fourth: what was in hand then is to run again at once, and among others. When all
workers are killed at a time they had different tasks in hand, and nobody is singled out.
"""

from __future__ import annotations

from collections.abc import Set

from tqd.task.claim import Blame

FEW = 32
"""As many as a worker has slots, if nobody has said otherwise."""


def singled_out(
    held: Set[bytes], blame: Blame, suspect: bytes = b"", before: Set[bytes] = frozenset()
) -> frozenset[bytes]:
    """Return those of what a dead worker held that become suspects by its death alone.

    `suspect`: the task whose code was seen to end the worker; empty when that is not known. `before`: what
    the worker held that was killed last before.
    """
    if suspect:
        return frozenset((suspect,))
    again = held & before if blame is Blame.AGAIN else frozenset()
    return frozenset(again if len(again) <= FEW else ())
