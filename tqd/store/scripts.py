"""The Lua scripts, read from `lua/` once at import, and called by their SHA-1.

A line `-- include parts/NAME.lua` stands for that file: Redis knows no modules. Scripts stand alone; a part
is only what would make one too long to be read.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files


class Script:
    """One Lua script: its name, its source and the digest by which Redis knows it."""

    __slots__ = ("name", "sha", "source")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


_FOLDER = files("tqd.store").joinpath("lua")
_INCLUDE = re.compile(r"^-- include (parts/\w+\.lua)$", re.MULTILINE)


def _read() -> dict[str, Script]:
    names = sorted(entry.name for entry in _FOLDER.iterdir() if entry.name.endswith(".lua"))
    scripts = [Script(name[:-4], _INCLUDE.sub(_part, _text(name))) for name in names]
    return {script.sha: script for script in scripts}


def _part(found: re.Match[str]) -> str:
    return _text(found[1])


def _text(path: str) -> str:
    return _FOLDER.joinpath(*path.split("/")).read_text("utf-8")


BY_SHA = _read()
"""Every script by its digest."""

_BY_NAME = {script.name: script for script in BY_SHA.values()}


def sha(name: str) -> str:
    """Return the digest of a script by its file name without `.lua`."""
    return _BY_NAME[name].sha
