"""What is kept beside tasks, keys of unique ones and marks of cancelled ones, and belongs to none any more.

A picture is not of one moment, so a script confirms each in one; and the same script removes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tqd.store.audit import STRAYS, Finding, Picture, strays
from tqd.store.calls import Command
from tqd.store.connection import SyncLink
from tqd.store.keys import Keys
from tqd.store.scripts import sha

BATCH = 500

_STRAYS = sha("strays")
_NUMBERS = {place: number for number, place in enumerate(STRAYS, 2)}


def confirmed(link: SyncLink, keys: Keys, picture: Picture, mend: bool) -> Iterator[tuple[Finding, str]]:
    """Yield each finding that is true, and what was done about it ("": nothing)."""
    rows = list(strays(picture))
    for first in range(0, len(rows), BATCH):
        batch = rows[first : first + BATCH]
        fields = (part for place, field, _ in batch for part in (_NUMBERS[place], field))
        command: Command = (
            "EVALSHA", _STRAYS, 4, keys.task, keys.unique, keys.keyed, keys.cancels, int(mend), *fields,
        )  # fmt: skip
        for (place, _, task_id), wrong in zip(batch, link.call(command), strict=True):
            if wrong == 1:
                yield Finding(STRAYS[place], (place,), task_id), f"taken out of {place}" if mend else ""
