"""`python -m perf.simulate`: every policy on every trace; exits 1 when tqd's misses a bound."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from perf.simulate import table
from perf.simulate.contest import contest
from perf.simulate.traces import LOADS
from tqd.simulate.trace import as_csv


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m perf.simulate", description=__doc__)
    names = [make.__name__ for make in LOADS]
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="TRACE", help=", ".join(names)
    )
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the table between its marks there")
    parser.add_argument("--traces", type=Path, metavar="DIR", help="only write the traces there, as CSV")
    options = parser.parse_args(arguments)
    loads = [make() for make in LOADS if make.__name__ in options.only]
    if options.traces is not None:
        for name, load in zip(options.only, loads, strict=True):
            (options.traces / f"{name}.csv").write_text("".join(as_csv(load.arrivals)), "utf-8")
        return 0
    contests = []
    for load in loads:
        contests.append((load, {one.policy: one for one in contest(load)}))
        print(f"{load.name}: done", file=sys.stderr, flush=True)
    text = table.markdown(contests)
    if options.readme is not None:
        document = options.readme.read_text("utf-8")
        options.readme.write_text(table.with_table(document, text), "utf-8")
    print(text)
    return 1 if table.against(contests) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
