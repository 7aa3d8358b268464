"""What must hold, decided from a picture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tqd.store.audit import Finding, Kind, Picture, audit

A, B, C, H = b"a", b"b", b"c", b"h"

SOUND = Picture(
    places={
        "ready:q": [A], "due:q": [B], "claims:w": [C], "parked:n": [], "dead": [b"d"], "held:q:k:l": [H],
    },
    payloads={A, B, C, H},
    records={b"d"},
    counted={B},
    owners={"w"},
    beside={"unique": {b"k": B}, "keyed": {B: B}, "cancels": {C: C}},
    bells={"bell:q": 1},
    held_keys={"q": {"k:l"}},
    holding={"q": 1},
)  # fmt: skip

WRONG = [
    ({"places": SOUND.places | {"due:q": [A, B]}}, Finding(Kind.SEVERAL_PLACES, ("ready:q", "due:q"), A)),
    ({"places": SOUND.places | {"ready:q": [A, A]}}, Finding(Kind.SEVERAL_PLACES, ("ready:q", "ready:q"), A)),
    ({"places": SOUND.places | {"ready:q": []}}, Finding(Kind.NO_PLACE, ("task",), A)),
    ({"payloads": {A, B, C, H, b"d"}}, Finding(Kind.NO_PLACE, ("task",), b"d")),
    ({"payloads": {B, C, H}}, Finding(Kind.NO_PAYLOAD, ("ready:q",), A)),
    ({"records": frozenset()}, Finding(Kind.NO_RECORD, ("dead",), b"d")),
    ({"records": {b"d", b"e"}}, Finding(Kind.STRAY_RECORD, ("failure",), b"e")),
    ({"counted": {b"e"}}, Finding(Kind.STRAY_COUNTS, ("attempts",), b"e")),
    ({"beside": {"unique": {b"k": b"e"}}}, Finding(Kind.STRAY_KEY, ("unique",), b"e")),
    ({"beside": {"keyed": {b"e": b"e", A: A}}}, Finding(Kind.STRAY_KEY, ("keyed",), b"e")),
    ({"beside": {"cancels": {b"d": b"d", B: B}}}, Finding(Kind.STRAY_MARK, ("cancels",), b"d")),
    ({"owners": frozenset()}, Finding(Kind.NO_OWNER, ("claims:w",))),
    ({"bells": {"bell:q": 2}}, Finding(Kind.RINGING, ("bell:q",))),
    ({"endless": ["result:1"]}, Finding(Kind.ENDLESS, ("result:1",))),
    ({"holding": {"q": 2}}, Finding(Kind.MISCOUNT, ("heldkeys:q",))),
    ({"holding": {}}, Finding(Kind.MISCOUNT, ("heldkeys:q",))),
    ({"held_keys": {}}, Finding(Kind.MISCOUNT, ("heldkeys:q",))),
    ({"held_keys": {"q": {"k:l"}, "r": {"k"}}}, Finding(Kind.MISCOUNT, ("heldkeys:r",))),
    ({"other_type": ["ready:x"]}, Finding(Kind.OTHER_TYPE, ("ready:x",))),
]


def test_a_sound_picture_has_no_findings() -> None:
    assert audit(SOUND) == audit(Picture()) == []


@pytest.mark.parametrize(("change", "finding"), WRONG, ids=[finding.kind.name for _, finding in WRONG])
def test_each_thing_that_is_wrong_is_found_once(change: dict[str, object], finding: Finding) -> None:
    assert audit(replace(SOUND, **change)) == [finding]  # type: ignore[arg-type]


UNREAD = [
    ("task", {"payloads": {A}}),
    ("ready:q", {"places": SOUND.places | {"ready:q": []}}),
    ("ready:*", {"places": {"dead": [b"d"], "claims:w": [C]}}),
    ("held:q:k:l", {"places": SOUND.places | {"held:q:k:l": []}}),
    ("failure", {"records": frozenset()}),
    ("dead", {"places": SOUND.places | {"dead": []}}),
]


@pytest.mark.parametrize(("unread", "change"), UNREAD, ids=[unread for unread, _ in UNREAD])
def test_nothing_is_concluded_from_what_was_not_read(unread: str, change: dict[str, object]) -> None:
    seen = replace(SOUND, **change)  # type: ignore[arg-type]
    assert audit(seen) != []
    assert audit(replace(seen, unread={unread})) == []
