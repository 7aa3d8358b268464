"""The flags of `tqd simulate` and `tqd record`."""

from __future__ import annotations

import argparse

from tqd.cli.parser_tasks import connection

_MOST_WORKERS, _MOST_SLOTS = 1024, 10_000
_LEAST_RECORDED_S = 15


def simulate(verb: argparse.ArgumentParser) -> None:
    """Add the trace and what may be varied."""
    verb.add_argument(
        "trace", metavar="TRACE",
        help="CSV with the columns arrival_s, run_s, queue, name, or JSONL with these keys; -: from stdin",
    )  # fmt: skip
    verb.add_argument(
        "-c", "--config", metavar="FILE", help="configuration file (else ./tqd.toml, /etc/tqd/tqd.toml)"
    )
    verb.add_argument("--fixed", type=_count, metavar="N", help="keep N workers, to compare with")
    verb.add_argument("--workers", type=_count, metavar="N", help="begin with N (autoscaler.min_workers)")
    verb.add_argument(
        "--slots", type=_slots, metavar="N", help="slots of a worker (workers.max_concurrent_tasks)"
    )
    verb.add_argument(
        "--boot", type=_boot, default=0.3, metavar="S", help="seconds until a new worker is ready (0.3)"
    )
    verb.add_argument("--svg", metavar="FILE", help="write a picture there")
    verb.add_argument("--changes", action="store_true", help="tell each change with its reason")
    verb.add_argument(
        "--json", action="store_true", help="write one JSON object; its waits are good to about 12 %%"
    )


def record(verb: argparse.ArgumentParser) -> None:
    """Add the file and how much is recorded."""
    verb.add_argument("file", metavar="FILE", help="where the trace is written, as CSV; it must not exist")
    verb.add_argument(
        "--for", type=_duration, default=60.0, metavar="S", dest="duration",
        help="for so many seconds, at least 15 (60); workers begin within ten",
    )  # fmt: skip
    verb.add_argument(
        "--most", type=_rows, default=1_000_000, metavar="N", help="at most so many tasks (1000000)"
    )
    connection(verb)


def _rows(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 8 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tasks: it is 1 to 99999999")
    return int(text)


def _count(text: str) -> int:
    return _whole(text, 0, _MOST_WORKERS, "workers")


def _slots(text: str) -> int:
    return _whole(text, 1, _MOST_SLOTS, "slots")


def _whole(text: str, low: int, high: int, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of {what}: it is {low} to {high}")
    return int(text)


def _boot(text: str) -> float:
    return _seconds(text, 0, 3600, "")


def _duration(text: str) -> float:
    return _seconds(text, _LEAST_RECORDED_S, 86_400, ", as workers begin within ten")


def _seconds(text: str, low: int, high: int, reason: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not low <= seconds <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range: it is {low} to {high} seconds{reason}")
    return seconds
