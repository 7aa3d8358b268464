"""tqd as it is installed for a service: a virtual environment to be seen as /opt/tqd, with the code of this
checkout and copies of what it depends on. Nothing is downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

ROOT = Path(__file__).parents[2]
HIDDEN = ("/root", "/home", "/run", "/tmp", "/var/tmp")
COMMAND = """#!/opt/tqd/bin/python
import sys
from tqd.cli.main import main
sys.exit(main())
"""


def install(tree: Path) -> Path | None:
    """Put /opt/tqd below `tree`; returns the directory that must be seen as /opt/python besides, if any.

    The interpreter is that of the tests. A service sees nothing under /root and other private places, so
    one that lives there is shown to it under /opt/python.
    """
    prefix = Path(sys.base_prefix).resolve()
    hidden = any(prefix.is_relative_to(place) for place in HIDDEN)
    home = Path("/opt/python") if hidden else prefix
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    environment = tree / "opt" / "tqd"
    packages = environment / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    binaries = environment / "bin"
    binaries.mkdir()
    (binaries / "python").symlink_to(home / "bin" / version)
    (binaries / "tqd").write_text(COMMAND)
    (binaries / "tqd").chmod(0o755)
    (environment / "pyvenv.cfg").write_text(f"home = {home}/bin\ninclude-system-site-packages = false\n")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in _closure(project["dependencies"]):
        _copy(Distribution.from_name(name), packages)
    shutil.copytree(ROOT / "tqd", packages / "tqd", ignore=shutil.ignore_patterns("__pycache__"))
    _compile(packages / "tqd")
    return prefix if hidden else None


def _closure(requirements: list[str]) -> list[str]:
    """Return the installed distributions that requirements need, with theirs."""
    found: list[str] = []
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        (name,) = re.findall(r"^[A-Za-z0-9._-]+", requirement)
        if "extra ==" in requirement or name in found:
            continue
        try:
            waiting += Distribution.from_name(name).requires or []
        except PackageNotFoundError:
            continue  # for another system or Python
        found.append(name)
    return found


def _copy(distribution: Distribution, packages: Path) -> None:
    for file in distribution.files or []:
        if ".." in file.parts or not (source := Path(str(file.locate()))).exists():
            continue
        target = packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _compile(package: Path) -> None:
    # The tests may run with another place for bytecode; here it belongs beside the modules.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(package)], env=environ, check=True)
