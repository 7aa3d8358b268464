"""What runs here, for records that outlive it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def versions() -> str:
    """Return the versions of tqd, Python and the kernel."""
    try:
        ours = version("tqd")
    except PackageNotFoundError:
        ours = "not installed"
    return f"tqd {ours}, Python {platform.python_version()}, {platform.system()} {platform.release()}"
