"""The demo's last words: the account beside tqd's own counters, and what to do next. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from tqd.cli.demo_account import Account, Ledger
from tqd.cli.demo_counters import Counters
from tqd.cli.demo_plan import BURST, Kind, Work
from tqd.cli.demo_view import Line, Tone

NEXT = (
    "Next, your own: tq = TaskQueue() and @tq.task above a function, in tasks.py;",
    "  tqd start -A tasks:tq   (no Redis? --embedded; tqd status --json has its URL)",
    "then function.enqueue(...) in your application; tqd status shows what it does.",
)
UNTOLD = "  * what the killed worker did after its last beat (it sends one a second)"


def report(account: Account, own: Counters) -> list[Line]:
    """Return the account as a table."""
    twice, unexplained = account.done_twice, bool(account.unexplained)
    heading = f"  {'':<10} {'journal':>9} {'tqd':>9}  the journal is kept by the tasks, not by tqd"
    rows = [
        Line(heading, Tone.FAINT),
        _row("enqueued", account.enqueued, None),
        _row("done", account.done, own.done, _untold(own.untold_done, twice)),
        _row("retried", account.retried, own.retried, _untold(own.untold_retried)),
        _row("recovered", account.recovered, own.recovered, _hands(account)),
        _row("dead", account.dead, own.dead, bad=account.dead > 0),
        _row("lost", account.lost, None, bad=account.lost > 0),
        _row("run twice", account.repeated, None, _twice(account), bad=unexplained),
    ]
    if own.untold_done > 0 or own.untold_retried > 0:
        rows.append(Line(UNTOLD, Tone.FAINT))
    return rows


def verdict(account: Account, wrong: Sequence[str]) -> list[Line]:
    """Return the one line that counts, or the sentences that say what is wrong."""
    if wrong:
        return [Line(f"The account does not balance: {sentence}.", Tone.BAD) for sentence in wrong]
    return [
        Line(
            f"The account balances: {account.enqueued:,} enqueued, {account.done:,} done, "
            f"{account.recovered} recovered, {account.lost} lost.",
            Tone.GOOD,
        )
    ]


def waits(ledger: Ledger, works: Sequence[Work], enqueued_at: Mapping[int, float]) -> list[Line]:
    """Return how long tasks waited until they began: the burst by queue, and the delayed ones."""
    late: dict[str, list[float]] = {}
    for work in works:
        attempts = ledger.attempts.get(work.number)
        if not attempts or work.number not in enqueued_at:
            continue
        if work.kind is Kind.RANKED:
            key = work.queue
        elif work.kind is Kind.DELAYED:
            key = work.kind.value
        else:
            continue
        wait_s = attempts[0].began - enqueued_at[work.number] - work.delay_s
        late.setdefault(key, []).append(wait_s * 1000)
    lines = []
    burst = [f"{queue} {median(late[queue]):.0f}" for queue in reversed(BURST) if queue in late]
    if burst:
        lines.append(Line(f"  burst, median wait: {', '.join(burst)} ms"))
    if delayed := late.get(Kind.DELAYED.value):
        lines.append(
            Line(
                f"  delayed tasks began {median(delayed):+.1f} ms from their time "
                f"(median; {min(delayed):+.1f} to {max(delayed):+.1f})"
            )
        )
    return lines


def _row(name: str, count: int, counted: int | None, text: str = "", *, bad: bool = False) -> Line:
    beside = "" if counted is None else f"{counted:,}"
    return Line(f"  {name:<10} {count:>9,} {beside:>9}  {text}".rstrip(), Tone.BAD if bad else Tone.PLAIN)


def _untold(count: int, twice: int = 0) -> str:
    parts = [f"{twice} of them twice"] if twice else []
    if count > 0:
        parts.append(f"{count:,} not told to tqd*")
    return ", ".join(parts)


def _hands(account: Account) -> str:
    states = (
        (account.cut_off, "cut off"),
        (account.unsettled, "ended unsettled"),
        (account.not_begun, "not begun"),
    )
    return ", ".join(f"{count} {state}" for count, state in states if count)


def _twice(account: Account) -> str:
    if account.unexplained:
        return "not all because of the kill"
    return "all were in the killed worker's hands" if account.repeated else ""
