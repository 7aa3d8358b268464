"""What a Redis says that answers, and takes no calls, or no writes, for the time being. Pure.

It reads its data from disk, is no master, cannot save, misses its replicas, runs somebody's script, or has
too many clients. The call was not run, nothing is wrong with it, and trying again is right.
"""

from __future__ import annotations

import re

_HINTS = {
    "LOADING": "it reads its data from disk: wait",
    "MASTERDOWN": "point redis.url at the master",
    "READONLY": "point redis.url at the master",
    "BUSY": "somebody's script runs too long there: SCRIPT KILL ends it",
    "CLUSTERDOWN": "look at the cluster's state",
    "TRYAGAIN": "a slot is on its way to another server: wait",
    "MISCONF": "it cannot save: look for a full disk or an error in its log",
    "NOREPLICAS": "bring its replicas back, or lower min-replicas-to-write",
}
_WORD = re.compile(rf"(?:^|: -)({'|'.join(_HINTS)}) ")
"""Redis 6.2 packs what a script met into an error of its own: "Error running script …: 12: -READONLY …"."""

_SPOKEN = {
    "read only replica": "READONLY",
    "is loading the dataset": "LOADING",
    "MASTER is down": "MASTERDOWN",
}
"""redis-py takes the word away from some of these errors."""

_CROWDED = "max number of clients"
_NOBODY = "is it running, is the URL right?"


def refuses_for_now(text: str) -> bool:
    """Return whether the text of an error says that Redis would take the same call at another time."""
    return _WORD.search(text) is not None


def described(reason: str) -> str:
    """Return what is wrong with a Redis that cannot be used now, and what to do, from an error's text."""
    if _CROWDED in reason:
        return "takes no more connections: max number of clients reached; raise its maxclients, or close some"
    found = _WORD.search(reason)
    word = found[1] if found else next((word for text, word in _SPOKEN.items() if text in reason), "")
    if not word:
        return f"cannot be reached: {reason}; {_NOBODY}"
    said = reason[found.start(1) :] if found else reason
    return f"cannot be used now: {said.partition('. ')[0].rstrip('.')}; {_HINTS[word]}"
