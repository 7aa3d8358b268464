"""`tqd reload`: new code and configuration for new workers, while the old ones serve on."""

from __future__ import annotations

import argparse
import json
import sys

from tqd.cli.daemon import (
    INTERRUPTED,
    NotAnswering,
    NotRunning,
    TimeIsOver,
    accepted,
    ask,
    demand,
    directory_of,
    find,
)
from tqd.system import exits
from tqd.system.runtime import RuntimeDirectory

GOES_ON = "the reload goes on; tqd status shows how far it is"


def run(options: argparse.Namespace) -> int:
    """Reload and show the progress; 0 done, 1 refused with the reason, or not done in time."""
    directory = directory_of(options)
    process = find(directory)
    if process is None:
        raise NotRunning(directory)
    request = {"verb": "reload", "until": "serving" if options.serving else "drained"}
    # With --json the answer stands alone on stdout.
    told = sys.stderr if options.json else sys.stdout
    try:
        answer = ask(directory, request, lambda text: print(text, file=told, flush=True), options.timeout)
    except TimeIsOver:
        return _not_done(directory, options.timeout)
    except KeyboardInterrupt:
        print(f"tqd: {GOES_ON}", file=sys.stderr)
        return INTERRUPTED
    if answer is None:
        raise NotAnswering(f"the daemon (pid {process.pid}) ended before the reload did; look into its log")
    if options.json:
        print(json.dumps(answer, indent=2))
    accepted(answer)
    if not options.json:
        print(answer.get("text") or f"generation {answer.get('generation', '-')} serves")
        for change in answer.get("changes") or []:
            print(f"  {change}")
    for warning in answer.get("warnings") or []:
        print(f"tqd: warning: {warning}", file=sys.stderr)
    return exits.OK


def _not_done(directory: RuntimeDirectory, timeout_s: float) -> int:
    """Say that the reload goes on, if the daemon still answers; else NotAnswering."""
    step = demand(directory, "status").get("reload")
    print(f"tqd: not done after {timeout_s:g} s{f' ({step})' if step else ''}; {GOES_ON}", file=sys.stderr)
    return exits.FAILURE
