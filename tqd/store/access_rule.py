"""The least that a user of Redis must be allowed for tqd to work, as a rule for its access control list.

Pure. Made of the commands that the source uses, so it is never older than that. `CONFIG GET` is left
out, as it shows secrets of the server: `tqd doctor` then cannot tell how often Redis writes to disk.
"""

from __future__ import annotations

from tqd.store.checkup import COMMANDS

_PARTS = {"CLIENT": ["ID", "UNBLOCK"], "SCRIPT": ["LOAD"]}
"""Of these only so much is used."""

_BESIDES = ["COMMAND|INFO", "SELECT"]
"""What the doctor asks, and what a URL with a database number does."""


def access_rule(user: str, namespace: str) -> str:
    """Return the words after `ACL SETUSER` for a user of one namespace; the password is still to be set."""
    names = [f"{name}|{part}" for name in COMMANDS for part in _PARTS.get(name, [])]
    names += [name for name in COMMANDS if name not in _PARTS]
    commands = " ".join(f"+{name.lower()}" for name in sorted({*names, *_BESIDES}))
    pattern = f"{{{namespace}:*}}:*"
    return f"{user} on >PASSWORD resetkeys ~{pattern} resetchannels &{pattern} -@all {commands}"
