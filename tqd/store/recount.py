"""Whether the lines of held-back tasks are known and counted rightly, confirmed by a script in one moment.

A line that nobody knows would wait for ever, and a wrong count would put a queue's depth wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from tqd.store.audit import HELD, Finding, Kind, Picture
from tqd.store.calls import Command
from tqd.store.connection import SyncLink
from tqd.store.keys import Keys
from tqd.store.scripts import sha

MOST_KEYS = 5000
"""Lines of a queue that are told to the script, which knows those in Redis's index by itself."""

_RECOUNT = sha("recount")


def recounted(link: SyncLink, keys: Keys, picture: Picture, mend: bool) -> Iterator[tuple[Finding, str]]:
    """Yield each queue whose lines are wrong, and what was done about it ("": nothing)."""
    for queue in picture.miscounted():
        start = f"{HELD}{queue}:"
        found = [place.removeprefix(start) for place in picture.places if place.startswith(start)]
        command: Command = (
            "EVALSHA", _RECOUNT, 2, keys.holding, keys.held_keys(queue), queue, int(mend),
            keys.held(queue, ""), *found[:MOST_KEYS],
        )  # fmt: skip
        if link.call(command) == 1:
            yield Finding(Kind.MISCOUNT, (f"heldkeys:{queue}",)), "counted again" if mend else ""
