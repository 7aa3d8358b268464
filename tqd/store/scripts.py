"""The Lua scripts, read from `lua/` once at import, and called by their SHA-1."""

from __future__ import annotations

import hashlib
from importlib.resources import files


class Script:
    """One Lua script: its name, its source and the digest by which Redis knows it."""

    __slots__ = ("name", "sha", "source")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


def _read() -> dict[str, Script]:
    folder = files("tqd.store").joinpath("lua")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".lua"))
    scripts = [Script(name[:-4], folder.joinpath(name).read_text("utf-8")) for name in names]
    return {script.sha: script for script in scripts}


BY_SHA = _read()
"""Every script by its digest."""

_BY_NAME = {script.name: script for script in BY_SHA.values()}


def sha(name: str) -> str:
    """Return the digest of a script by its file name without `.lua`."""
    return _BY_NAME[name].sha
