"""tqd's own counters beside the account: where they are exact they must agree with the journal.

Exact: the counters of each living worker, once it has sent a beat after its last task; what the
keeper took back; the queues and the dead letters. Not exact: what the killed worker did after its
last beat, up to a second of work; it is known only to lie between nothing and all that it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tqd.cli.demo_account import Account, Ledger
from tqd.cli.demo_journal import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The totals of `tqd status`, and how many of the done tasks no beat could tell any more."""

    done: int
    retried: int
    recovered: int
    dead: int
    untold_done: int
    untold_retried: int


def counters(status: dict[str, Any], ledger: Ledger) -> Counters:
    """Return tqd's own totals from a status."""
    totals = status["totals"]
    return Counters(
        done=totals["done"],
        retried=totals["retried"],
        recovered=totals["reclaimed"] + totals["released"],
        dead=status["dead_letters"] or 0,
        untold_done=ledger.ended(Word.DONE) - totals["done"],
        untold_retried=ledger.ended(Word.RAISED) - totals["retried"],
    )


def disagreements(status: dict[str, Any], ledger: Ledger, account: Account, killed: int | None) -> list[str]:
    """Return where tqd's counters and the journal contradict each other, one sentence each."""
    found = []
    own = counters(status, ledger)
    for worker in status["workers"]:
        if worker["pid"] is None:
            continue  # a seat between two processes
        for key, word in (("done", Word.DONE), ("retried", Word.RAISED)):
            seen = ledger.ended(word, worker["pid"])
            if worker[key] != seen:
                found.append(f"{worker['id']} counts {worker[key]} {key}, its tasks' journal {seen}")
    for key, word, untold in (
        ("done", Word.DONE, own.untold_done),
        ("retried", Word.RAISED, own.untold_retried),
    ):
        most = ledger.ended(word, killed) if killed else 0
        if not 0 <= untold <= most:
            found.append(f"tqd's total of {key} is {untold} short, where at most {most} can be untold")
    if own.recovered != account.recovered:
        found.append(f"tqd gave back {own.recovered} tasks, the journal knows of {account.recovered}")
    left = sum(queue["ready"] + queue["scheduled"] for queue in status["queues"])
    if left:
        found.append(f"{left} tasks are still in the queues")
    return found
