"""A schedule as it stands in Redis, and the envelope of a task that it fires.

    <app>\n[1, task, queue, spec, zone, catch up, limit, args, kwargs, unique key, limit key]

The limit key is left out when there is none.

What follows the app may be signed (`seal`), as what a schedule fires is signed by a keeper: who can write
into Redis must not have it sign. The app is readable without msgpack, because the script that replaces an
app's schedules looks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tqd.errors import Malformed
from tqd.schedule.entry import MOST_LIMIT, CatchUp, Entry
from tqd.task.limit_key import is_key
from tqd.task.model import NO_OPTIONS
from tqd.wire.envelope import encode_envelope
from tqd.wire.packing import pack, unpack_versioned, verify
from tqd.wire.seal import Seal, Untrusted, is_sealed, unsealed

VERSION = 1
MAX_BYTES = 65 * 1_048_576
"""The largest payload that may be configured, and the rest of a record."""

SLOT_HEADER = "tqd.slot"
_ROOTS = (
    "version",
    "task",
    "queue",
    "spec",
    "tz",
    "catch_up",
    "limit",
    "args",
    "kwargs",
    "held",
    "limit_key",
)


def encode_entry(app: str, entry: Entry, seal: Seal | None = None) -> bytes:
    """Return the bytes of an app's schedule, without its name; `seal` signs them for this name."""
    head = [VERSION, entry.task, entry.queue, entry.spec, entry.tz, entry.catch_up.value]
    parts = [*head, entry.catch_up_limit, list(entry.args), dict(entry.kwargs), entry.held]
    if entry.limit_key:
        parts.append(entry.limit_key)
    packed = pack(parts, _ROOTS)
    if seal is not None:
        packed = seal.seal(_subject(entry.name, app.encode()), packed)
    return app.encode() + b"\n" + packed


def trust_entry(name: str, data: bytes, seal: Seal | None) -> None:
    """Pass when a schedule may be fired by one with these keys; else raises Untrusted.

    Without keys a signed one is refused too: what it fires would be unsigned, and would never run.
    """
    app, _, rest = data.partition(b"\n")
    if seal is not None:
        seal.open(_subject(name, app), rest)
    elif is_sealed(rest):
        raise Untrusted("signed", "the app signs, and no key is here; set security.signing_keys_file")


def _subject(name: str, app: bytes) -> bytes:
    """Return what the signature of a schedule covers beside its bytes."""
    return b"schedule\n" + name.encode(errors="replace") + b"\n" + app


def decode_entry(name: str, data: bytes) -> tuple[str, Entry]:
    """Return the app and the schedule, signed or not; raises Malformed or UnsupportedVersion."""
    app, found, rest = data.partition(b"\n")
    if not found:
        raise Malformed("schedule: no app is named")
    packed = unsealed(rest) if is_sealed(rest) else rest
    parts = unpack_versioned(packed, VERSION, "schedule", MAX_BYTES)
    if not len(_ROOTS) - 1 <= len(parts) <= len(_ROOTS):
        raise Malformed(f"schedule: {len(parts)} fields, expected {len(_ROOTS) - 1} or {len(_ROOTS)}")
    _, task, queue, spec, tz, catch_up, limit, args, kwargs, held, *keys = parts
    for what, value in (("task", task), ("queue", queue), ("spec", spec), ("zone", tz)):
        if type(value) is not str or not value:
            raise Malformed(f"schedule: the {what} is no text, or empty")
    if catch_up not in tuple(CatchUp):
        raise Malformed(f"schedule: catch_up is none of {', '.join(CatchUp)}")
    if type(limit) is not int or not 1 <= limit <= MOST_LIMIT:
        raise Malformed(f"schedule: the limit is none, 1 to {MOST_LIMIT}")
    if type(args) is not list or type(kwargs) is not dict or any(type(key) is not str for key in kwargs):
        raise Malformed("schedule: args and kwargs are no array and no map of texts")
    verify([args, kwargs])
    if type(held) is not bytes or held[:1] not in (b"", b"s", b"d"):
        raise Malformed("schedule: the unique key is none")
    if keys and not is_key(keys[0]):
        raise Malformed("schedule: the limit key is none")
    entry = Entry(
        name=name, task=task, queue=queue, spec=spec, tz=tz, catch_up=CatchUp(catch_up),
        catch_up_limit=limit, args=args, kwargs=kwargs, held=held,
        limit_key=keys[0] if keys else "",
    )  # fmt: skip
    return app.decode(errors="replace"), entry


def entry_envelope(entry: Entry, now_ms: int, slot: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the payload of a task that a schedule fires; `slot` is ISO 8601, empty outside the slots.

    Raises Unserialisable when it is more than `max_bytes`.
    """
    headers = {SLOT_HEADER: slot} if slot else None
    args: list[Any] = list(entry.args)
    return encode_envelope(
        entry.task, args, dict(entry.kwargs), entry.queue, now_ms, NO_OPTIONS, headers, max_bytes,
        entry.limit_key,
    )  # fmt: skip


def slot_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the slot for which a task was fired; None for one that no schedule has fired."""
    text = headers.get(SLOT_HEADER)
    if text is None:
        return None
    try:
        slot = datetime.fromisoformat(text)
    except ValueError:
        return None
    return slot if slot.tzinfo is not None else None
