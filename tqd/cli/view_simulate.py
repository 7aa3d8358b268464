"""What came of a simulated run, as lines for a person and as values for JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tqd.cli.figures import count, span
from tqd.cli.lines import Line, Style, Tone, fold, line, printable
from tqd.cli.plot import plot, resampled
from tqd.simulate.changes import FLAP_S
from tqd.simulate.run import Outcome

_LABEL = 12
_DEFAULT_WIDTH = 80
_NARROWEST = 20
_ENDLESS = float("inf")


class Setting(NamedTuple):
    """With what a trace was run; `policy` is in words."""

    trace: str
    policy: str
    slots: int
    goal_s: float


def lines(outcome: Outcome, setting: Setting, width: int | None, style: Style) -> list[Line]:
    """Return the report: what was run, what came of it, and how it went over time."""
    return [
        *_report(outcome, setting, width),
        line(""),
        *_plots(outcome, setting, width or _DEFAULT_WIDTH, style),
    ]


def _report(outcome: Outcome, setting: Setting, width: int | None) -> Iterator[Line]:
    p50, p95, p99 = (_seconds(_quantile_s(outcome, part)) for part in (50, 95, 99))
    workers = f"{outcome.worker_s / outcome.seconds:.2f} workers on average, {outcome.most_workers} at most"
    fields = (
        ("trace", f"{setting.trace}: {count(outcome.tasks.arrived)} tasks in {span(outcome.seconds)}"),
        ("scaling", f"{setting.policy}, {setting.slots} slots each"),
        ("wait goal", f"{setting.goal_s:g} s, {_misses(outcome)}"),
        (
            "waits",
            f"p50 {p50}, p95 {p95}, p99 {p99}" + (" (good to about 12 %)" if outcome.waits.counts else ""),
        ),
        ("cost", f"{outcome.worker_hours:,.2f} worker-hours: {workers}"),
        ("changes", _changes(outcome)),
        ("tasks", _fates(outcome)),
    )
    for name, text in fields:
        bad = name == "wait goal" and outcome.miss_s > 0
        for place, part in enumerate(fold(text, width and max(_NARROWEST, width - _LABEL))):
            label = "" if place else name
            yield [(label.ljust(_LABEL), Tone.FAINT), (part, Tone.BAD if bad else Tone.PLAIN)]


def _misses(outcome: Outcome) -> str:
    if not outcome.miss_s:
        return "never missed"
    part = _percent(outcome.miss_s / outcome.seconds)
    return f"missed for {_seconds(outcome.miss_s)}, {part}; {count(outcome.late)} tasks waited longer"


def _percent(share: float) -> str:
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %" if value >= 0.095 else "less than 0.1 %"


def _changes(outcome: Outcome) -> str:
    moves = outcome.changes
    hourly = f"{moves.flaps / outcome.seconds * 3600:.2f} an hour, {moves.worst_hour} in the worst"
    taken_back = f"taken back within {FLAP_S / 60:g} min"
    return f"{moves.ups:,} up, {moves.downs:,} down; {moves.flaps:,} flaps ({taken_back}), {hourly}"


def _fates(outcome: Outcome) -> str:
    tasks = outcome.tasks
    left = tasks.waiting + tasks.running + tasks.scheduled
    parts = [f"{count(tasks.done)} done"]
    parts += [f"{count(tasks.dead)} dead"] if tasks.dead else []
    parts += [f"{count(left)} not ended a day after the last arrival"] if left else []
    return ", ".join(parts)


def _plots(outcome: Outcome, setting: Setting, width: int, style: Style) -> Iterator[Line]:
    spans = outcome.series.spans
    room = max(_NARROWEST, width - _LABEL - 1)
    ends = [one.end_s for one in spans]
    workers = resampled([float(one.workers) for one in spans], ends, room)
    oldest_s = resampled([one.oldest_s for one in spans], ends, room)
    waiting = resampled([float(one.waiting) for one in spans], ends, room)
    yield from _panel("workers", workers, 5, _ENDLESS, f"{outcome.most_workers}", style)
    most_s = max(oldest_s, default=0.0)
    yield from _panel("oldest wait", oldest_s, 4, setting.goal_s, _seconds(most_s), style)
    yield from _panel("ready tasks", waiting, 3, _ENDLESS, count(max(waiting, default=0.0)), style)
    end = span(outcome.seconds)
    yield [(" " * (_LABEL + 1) + "0" + end.rjust(room - 1), Tone.FAINT)]


def _panel(
    title: str, values: Sequence[float], height: int, bad_above: float, most: str, style: Style
) -> Iterator[Line]:
    rows = plot(values, height, max(values, default=0.0), style.blocks, bad_above)
    for place, row in enumerate(rows):
        label = title if place == 0 else most if place == 1 else "0" if place == height - 1 else ""
        tone = Tone.STRONG if place == 0 else Tone.FAINT
        yield [(label.rjust(_LABEL)[:_LABEL] + " ", tone), *row]


def changes(outcome: Outcome) -> list[Line]:
    """Return the last changes with their reasons, the newest last."""
    return [
        [
            (f"{span(one.at_s):>12}  ", Tone.FAINT),
            (printable(_told(one.before, one.after, one.why)), Tone.PLAIN),
        ]
        for one in outcome.changes.last
    ]


def _told(before: int, after: int, why: str) -> str:
    return (
        why if why.startswith(f"{before} ") else f"{before} → {after} workers" + (f": {why}" if why else "")
    )


def facts(outcome: Outcome, setting: Setting) -> dict[str, Any]:
    """Return the same for JSON; the last 1000 changes with their reasons."""
    tasks, moves = outcome.tasks, outcome.changes
    quantiles = {f"p{part}_s": _quantile_s(outcome, part) for part in (50, 95, 99)}
    return {
        "trace": setting.trace,
        "policy": setting.policy,
        "slots": setting.slots,
        "seconds": outcome.seconds,
        "tasks": {
            "arrived": tasks.arrived,
            "done": tasks.done,
            "dead": tasks.dead,
            "unfinished": tasks.waiting + tasks.running + tasks.scheduled,
        },
        "sla": {"wait_goal_s": setting.goal_s, "missed_s": outcome.miss_s, "late_tasks": outcome.late},
        "wait": quantiles,
        "worker_hours": outcome.worker_hours,
        "workers": {"mean": outcome.worker_s / outcome.seconds, "most": outcome.most_workers},
        "scale_actions": {"up": moves.ups, "down": moves.downs},
        "flaps": moves.flaps,
        "flaps_per_hour": moves.flaps / outcome.seconds * 3600,
        "flaps_in_worst_hour": moves.worst_hour,
        "changes": [
            {"at_s": one.at_s, "from": one.before, "to": one.after, "sentence": one.why} for one in moves.last
        ],
    }


def _quantile_s(outcome: Outcome, part: int) -> float | None:
    """Return a quantile of the waits in two digits: its bucket says no more. The lowest is no wait."""
    value_s = outcome.waits.quantile_s(part / 100)
    return None if value_s is None else round(float(f"{value_s:.2g}"), 5)


def _seconds(value_s: float | None) -> str:
    if value_s is None:
        return "-"
    return (
        span(value_s)
        if value_s >= 120
        else f"{value_s:.1f} s"
        if value_s >= 1
        else f"{value_s * 1000:.0f} ms"
    )
