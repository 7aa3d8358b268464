"""What a status says about the daemon as a whole, as pieces of lines. Pure.

A key that an older daemon does not send is treated like null: not known.
"""

from __future__ import annotations

from typing import Any

from tqd.cli.figures import bar, count, millis, rate, seconds, share, size, span
from tqd.cli.lines import Line, Piece, Tone, joined, printable

Status = dict[str, Any]

NOT_RUNNING, NOT_ANSWERING = "not running", "not answering"

_TONES = {
    "running": Tone.GOOD,
    "ready": Tone.GOOD,
    "starting": Tone.NOTE,
    "quiet": Tone.NOTE,
    "reloading": Tone.NOTE,
    "stopping": Tone.NOTE,
    "draining": Tone.NOTE,
}
_RELOAD_NEWS_S = 60.0
_BAR = 10


def tone_of(state: object) -> Tone:
    """Return how a state is shown: good, in between, or bad, like every word that is not known here."""
    return _TONES.get(str(state), Tone.BAD)


def is_healthy(status: Status) -> bool:
    """Tell whether all is as it should be."""
    return bool(status.get("healthy", status.get("state") == "running"))


def workers_ready(status: Status) -> str:
    """Return `3 of 4 workers ready`; the target is what the daemon aims at."""
    workers = status.get("workers") or []
    ready = sum(worker.get("state") == "ready" for worker in workers)
    target = status.get("target")
    return f"{ready} of {len(workers) if target is None else target} workers ready"


def generation(status: Status) -> str:
    """Return `generation 2`, or nothing when it is not known."""
    number = status.get("generation")
    return "" if number is None else f"generation {number}"


def title(status: Status, width: int | None) -> Line:
    """Return the daemon in one line, the most telling first."""
    master, totals = status.get("master") or {}, status.get("totals") or {}
    state = str(status.get("state", "?"))
    parts: list[Piece] = [
        (f"tqd {printable(state)}", tone_of(state)),
        (printable(str(master.get("app", ""))), Tone.STRONG),
        (rate(totals.get("rate_per_s")), Tone.STRONG),
        (workers_ready(status), Tone.PLAIN),
        (f"pid {master.get('pid', '-')}", Tone.PLAIN),
        (f"up {span(master.get('uptime_s'))}", Tone.PLAIN),
        (generation(status), Tone.PLAIN),
        (printable(str(master.get("node", ""))), Tone.FAINT),
    ]
    return joined(parts, width)


def memory(status: Status, width: int | None, *, drawn: bool) -> Line:
    """Return what the daemon's memory is and may be; `drawn` adds a bar.

    Workers count by PSS, where a shared page counts once in all; RSS would count it many times.
    """
    known = status.get("memory") or {}
    used, limit, left = (known.get(f"{key}_bytes") for key in ("used", "limit", "headroom"))
    first = f"memory {size(used)}"
    if limit is not None:
        part = share(used, limit)
        first += f" of {size(limit)}" + (f" {bar(used, limit, _BAR)} {part}" if drawn else f" ({part})")
    pressure, origin = known.get("pressure_some_avg10"), known.get("origin")
    shares = [worker.get("pss_bytes") for worker in status.get("workers") or [] if worker.get("pid")]
    together = "" if not shares or None in shares else f"workers {size(sum(shares))} PSS"
    parts: list[Piece] = [
        (first, Tone.PLAIN),
        ("" if left is None else f"{size(left)} left", Tone.PLAIN),
        (together, Tone.PLAIN),
        (f"master {size((status.get('master') or {}).get('rss_bytes'))}", Tone.PLAIN),
        (keeper(status), Tone.PLAIN),
        ("" if pressure is None else f"pressure {pressure:.1f} %", Tone.PLAIN),
        ("" if origin is None else f"limit: {printable(str(origin))}", Tone.FAINT),
    ]
    return joined(parts, width)


def keeper(status: Status) -> str:
    """Return the keeper in a few words."""
    known = status.get("keeper") or {}
    state = "" if known.get("state") == "ready" else f" is {printable(str(known.get('state', '-')))}"
    return f"keeper{state} {size(known.get('rss_bytes'))}"


def tasks(status: Status, width: int | None) -> Line:
    """Return what became of the tasks since the start."""
    totals = status.get("totals") or {}
    failed = totals.get("failed")
    parts: list[Piece] = [
        (f"{count(totals.get('done'))} done", Tone.PLAIN),
        (f"{count(failed)} failed", Tone.BAD if failed else Tone.PLAIN),
        (f"{count(totals.get('retried'))} retried", Tone.PLAIN),
        (f"{count(totals.get('reclaimed'))} recovered", Tone.PLAIN),
        (f"run p50 {_ms(totals.get('run_p50_s'))}, p95 {_ms(totals.get('run_p95_s'))}", Tone.PLAIN),
        (f"{count(totals.get('released'))} given back", Tone.PLAIN),
        (f"{count(totals.get('superseded'))} superseded", Tone.PLAIN),
    ]
    for kind in ("expired", "discarded"):
        if totals.get(kind):
            parts.insert(2, (f"{count(totals[kind])} {kind}", Tone.PLAIN))
    return joined(parts, width)


def lately(status: Status, width: int | None) -> Line:
    """Return what the last minute was like; nothing when an older daemon does not tell."""
    known = (status.get("windows") or {}).get("1m")
    if not known:
        return []
    errors = known.get("error_rate")
    parts: list[Piece] = [
        (f"last {span(known.get('span_s'))}: {rate(known.get('rate_per_s'))}", Tone.PLAIN),
        (f"{share(errors, 1.0)} errors", Tone.BAD if errors else Tone.PLAIN),
        (f"slots {share(known.get('worker_utilization'), 1.0)} busy", Tone.PLAIN),
        (f"run p95 {seconds(known.get('run_p95_s'))}", Tone.PLAIN),
        (f"wait p95 {seconds(known.get('wait_p95_s'))}", Tone.PLAIN),
        (company(status), Tone.FAINT),
    ]
    return joined(parts, width)


def company(status: Status) -> str:
    """Return how many daemons serve the namespace, when this one is not alone."""
    known = status.get("namespace") or {}
    if (known.get("nodes") or 0) < 2:
        return ""
    return f"{known['nodes']} daemons with {count(known.get('workers'))} workers"


def news(status: Status, *, old: bool) -> list[Piece]:
    """Return what one has to know, a sentence each: problems, a reload, notes.

    A reload that went well is no news after a while, unless `old` ones are wanted.
    """
    out = [(f"problem: {problem}", Tone.BAD) for problem in status.get("problems") or []]
    if suspicion := suspects(status):
        out.append((suspicion, Tone.NOTE))
    if status.get("reload"):
        out.append((f"reload: {status['reload']}", Tone.NOTE))
    last = status.get("last_reload")
    if last and (old or not last.get("ok") or (last.get("s_ago") or 0.0) < _RELOAD_NEWS_S):
        how, tone = ("done", Tone.PLAIN) if last.get("ok") else ("refused", Tone.NOTE)
        out.append((f"last reload {how} {span(last.get('s_ago'))} ago: {last.get('text', '')}", tone))
    return out + [(f"note: {note}", Tone.PLAIN) for note in status.get("notes") or []]


def suspects(status: Status) -> str:
    """Return in a sentence which suspects wait and what the probe does; nothing without any of both."""
    waiting, probe = status.get("suspects") or 0, status.get("probe")
    if not waiting and not probe:
        return ""
    noun = "task waits" if waiting == 1 else "tasks wait"
    text = f"suspects: {count(waiting)} {noun} to run alone: workers died with them in hand"
    if not probe:
        return text
    names = ", ".join(printable(str(name)) for name, _ in probe.get("names") or [])
    runs = f" and runs {names}" if names else ""
    state = printable(str(probe.get("state", "-")))
    more = len(status.get("probes") or [probe]) - 1
    others = f", and {count(more)} more" if more else ""
    return f"{text}; the probe (pid {probe.get('pid') or '-'}) is {state}{runs}{others}"


def _ms(seconds: float | None) -> str:
    return millis(None if seconds is None else seconds * 1000)
