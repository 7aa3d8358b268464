"""Which tasks a worker's death speaks against, of all that it had in hand. Pure.

A death is on the record of each, with three exceptions. Nobody is blamed for what has another reason. When
the worker itself has told whose code was about to end it, that task alone is a suspect. And a kill that
nobody explains speaks against the few that were there when another worker died:

A task may have its worker killed in ways that cannot be seen. To wait until it has cost four workers would be
fair, and dear. Two are enough to look: those that were there at both deaths go to the probe when they are
few. An innocent one loses nothing by that but its turn: with n of them that run for t s each the last one
waits for n · t s, which is why there may not be more than a few. Many, of a worker with a hundred slots, wait
for the fourth kill. That a whole host or daemon is gone says less: nobody has seen how its workers ended.
"""

from __future__ import annotations

from collections.abc import Mapping

from tqd.task.claim import Blame, parse_token

FEW = 10


def blames(held: Mapping[bytes, bytes], blame: Blame, suspect: bytes = b"") -> dict[bytes, Blame]:
    """Return id → blame of what a dead worker held, by id → token; without those whose token is none of ours.

    `suspect`: the task whose code was seen to end the worker; empty when that is not known.
    """
    deaths = {}
    for task_id, token in held.items():
        try:
            deaths[task_id] = parse_token(token)[0].deaths
        except ValueError:
            continue  # nobody of ours wrote this; it must not keep the others from their queues
    if suspect:
        return {task_id: Blame.SUSPECT if task_id == suspect else Blame.NONE for task_id in deaths}
    again = [task_id for task_id, count in deaths.items() if count]
    singled_out = again if blame is Blame.KILL and len(again) <= FEW else []
    return dict.fromkeys(deaths, blame) | dict.fromkeys(singled_out, Blame.SUSPECT)
