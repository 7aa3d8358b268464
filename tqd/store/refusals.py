"""What the words mean with which a Redis refuses: whether for the time being, and what to do. Pure.

For the time being: it reads its data from disk, is no master, cannot save, misses its replicas, runs
somebody's script, or has too many clients. The call was not run then, and trying again is right.
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

_REMEDIES = {
    "WRONGTYPE ": "a key of tqd holds something else: tqd doctor --audit names it",
    "NOPERM ": "tqd doctor --acl USER prints the rights that tqd needs",
    "no permissions to": "tqd doctor --acl USER prints the rights that tqd needs",
}

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


def remedy(refusal: str) -> str:
    """Return what to do about a refusal that is for good, after a semicolon; '' when that is not known."""
    return next((f"; {do}" for sign, do in _REMEDIES.items() if sign in refusal), "")
