"""Which line is named of a stack."""

from __future__ import annotations

import asyncio
import json

import tqd
from tqd.worker.stacks import LIBRARY, LONGEST_PLACE, OURS, Place, place_of

SHOP = ("/srv/shop.py", 12, "resize")
CALLER = ("/srv/shop.py", 40, "thumbnails")
REGEX = ("/usr/lib/python3/re/__init__.py", 166, "match")
LOOP = ("/usr/lib/python3/asyncio/base_events.py", 600, "run_forever")
QUEUE = ("/usr/lib/tqd/client/sender.py", 5, "send")
EXECUTOR = ("/usr/lib/tqd/worker/executor.py", 100, "_run")
FROZEN = ("<frozen importlib._bootstrap>", 1, "_find")


def place(*frames: Place) -> str:
    return place_of(
        list(frames), ("/usr/lib/tqd/", "/usr/lib/python3/asyncio/"), ("/usr/lib/python3/", "<frozen ")
    )


def test_the_innermost_line_is_named() -> None:
    assert place(SHOP, CALLER, EXECUTOR) == "/srv/shop.py:12 in resize"


def test_a_users_line_is_named_rather_than_a_librarys_inside_of_it() -> None:
    assert place(REGEX, SHOP, CALLER, EXECUTOR) == "/srv/shop.py:12 in resize"
    assert place(FROZEN, SHOP, EXECUTOR) == "/srv/shop.py:12 in resize"


def test_a_librarys_line_is_named_when_no_other_code_runs() -> None:
    assert place(REGEX, EXECUTOR) == "/usr/lib/python3/re/__init__.py:166 in match"


def test_what_tqd_and_the_loop_do_for_a_user_is_the_users_line() -> None:
    assert place(QUEUE, SHOP, EXECUTOR) == "/srv/shop.py:12 in resize"
    assert place(LOOP, REGEX, EXECUTOR) == "/usr/lib/python3/re/__init__.py:166 in match"


def test_without_anybody_else_the_innermost_line_is_named() -> None:
    assert place(LOOP, EXECUTOR) == "/usr/lib/python3/asyncio/base_events.py:600 in run_forever"
    assert place() == ""


def test_a_long_place_keeps_its_end() -> None:
    text = place(("/" + "x" * 1000, 1, "work"))
    assert len(text) == LONGEST_PLACE and text.endswith("x:1 in work")


def test_the_folders_are_those_of_this_interpreter() -> None:
    assert tqd.__file__.startswith(OURS) and asyncio.events.__file__.startswith(OURS)
    assert any(folder.endswith("/uvloop/") for folder in OURS)
    assert json.__file__.startswith(LIBRARY) and not json.__file__.startswith(OURS)
    assert not __file__.startswith(LIBRARY + OURS)
