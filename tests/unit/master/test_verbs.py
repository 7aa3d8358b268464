"""What can be asked of the daemon: what each verb and each signal does, and each error answer."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tqd.master.control import Answer
from tqd.master.events import Haste
from tqd.master.verbs import MOST_WORKERS, by_signal, serve
from tqd.scale.telling import MOST_DECISIONS


class Scaling:
    """What decides about the number of workers; `calls` is what is done to it."""

    def __init__(self, acting: bool = False) -> None:
        self.acting = acting
        self.calls: list[tuple[object, ...]] = []

    def why(self, count: int) -> dict[str, object]:
        return {"mode": "act", "decisions": [{"sentence": "held"}][:count]}

    def thresholds(self, now: float) -> dict[str, object]:
        return {"factor": 1.0}

    def freeze(self, frozen: bool) -> None:
        self.calls.append(("freeze", frozen))

    def reset(self) -> None:
        self.calls.append(("reset",))


class Recorder:
    """A daemon that writes down what is done to it: `calls`."""

    def __init__(self, workers: int = 2, news: bool = True) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.workers = workers
        self.news = news
        self.stopping = False
        self.scaling = Scaling()

    def ask_status(self, answer: Answer) -> None:
        self.calls.append(("status",))
        answer({"state": "running"})

    def events(self, count: int) -> list[dict[str, object]]:
        self.calls.append(("events", count))
        return [{"event": "first"}, {"event": "last"}]

    def stop(self, haste: Haste | None, why: str) -> None:
        self.calls.append(("stop", haste, why))

    def reload(self, why: str, answer: Answer | None, until: str) -> None:
        self.calls.append(("reload", why, until))
        if answer is not None:
            answer({"progress": "on its way"})
            answer({"ok": True})

    def resize(self, workers: int, why: str) -> None:
        self.calls.append(("resize", workers, why))

    def refuse(self, reason: str, why: str) -> None:
        self.calls.append(("refuse", reason, why))

    def quiet(self, quiet: bool, why: str) -> bool:
        self.calls.append(("quiet", quiet, why))
        return self.news


def ask(daemon: Recorder, verb: object, **arguments: object) -> list[dict[str, Any]]:
    """Return all that is answered; each answer has to be plain data."""
    answers: list[dict[str, Any]] = []
    serve(daemon, {"verb": verb, **arguments}, lambda answer: answers.append(json.loads(json.dumps(answer))))
    return answers


def refused(verb: object, **arguments: object) -> str:
    """Return the error that a request meets; the daemon is left alone."""
    daemon = Recorder()
    (answer,) = ask(daemon, verb, **arguments)
    assert daemon.calls == []
    error: str = answer["error"]
    return error


# -- verbs ----------------------------------------------------------------------------------------


def test_status_is_the_picture() -> None:
    assert ask(Recorder(), "status") == [{"state": "running"}]


@pytest.mark.parametrize(("arguments", "count"), [({}, 20), ({"count": 1}, 1), ({"count": 200}, 200)])
def test_why_tells_the_last_events(arguments: dict[str, object], count: int) -> None:
    daemon = Recorder()
    (answer,) = ask(daemon, "why", **arguments)
    assert answer["events"] == [{"event": "first"}, {"event": "last"}]
    assert (answer["mode"], answer["decisions"]) == ("act", [{"sentence": "held"}])
    assert daemon.calls == [("events", count)]


@pytest.mark.parametrize(
    ("arguments", "haste", "why"),
    [
        ({}, None, "tqd stop (drain)"),
        ({"how": "drain"}, None, "tqd stop (drain)"),
        ({"how": "now"}, Haste.NOW, "tqd stop (now)"),
        ({"how": "kill"}, Haste.KILL, "tqd stop (kill)"),
    ],
)
def test_stop_has_three_hastes(arguments: dict[str, object], haste: Haste | None, why: str) -> None:
    daemon = Recorder()
    assert ask(daemon, "stop", **arguments) == [{"ok": True, "text": "stopping"}]
    assert daemon.calls == [("stop", haste, why)]


@pytest.mark.parametrize(
    ("arguments", "until"),
    [({}, "drained"), ({"until": "drained"}, "drained"), ({"until": "serving"}, "serving")],
)
def test_reload_is_answered_by_the_reload_itself(arguments: dict[str, object], until: str) -> None:
    daemon = Recorder()
    assert ask(daemon, "reload", **arguments) == [{"progress": "on its way"}, {"ok": True}]
    assert daemon.calls == [("reload", "tqd reload", until)]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"change": 1}, 3),
        ({"change": -1}, 1),
        ({"change": -2}, 0),
        ({"change": MOST_WORKERS - 2}, MOST_WORKERS),
        ({"workers": 4}, 4),
        ({"workers": 0}, 0),
        ({"workers": MOST_WORKERS}, MOST_WORKERS),
        ({"workers": 4, "change": None}, 4),
    ],
)
def test_scale_takes_a_number_or_a_change(arguments: dict[str, object], wanted: int) -> None:
    daemon = Recorder(workers=2)
    text = f"2 → {wanted} workers"
    assert ask(daemon, "scale", **arguments) == [{"ok": True, "was": 2, "workers": wanted, "text": text}]
    assert daemon.calls == [("resize", wanted, "tqd scale")]


@pytest.mark.parametrize("arguments", [{"change": 0}, {"workers": 2}])
def test_a_scale_that_changes_nothing_says_so(arguments: dict[str, object]) -> None:
    (answer,) = ask(Recorder(workers=2), "scale", **arguments)
    text = "2 workers were wanted already"
    assert answer == {"ok": True, "was": 2, "workers": 2, "text": text}


@pytest.mark.parametrize(
    ("verb", "quiet", "news", "words"),
    [
        ("quiet", True, True, "no more tasks are claimed"),
        ("quiet", True, False, "was quiet already"),
        ("resume", False, True, "claimed again"),
        ("resume", False, False, "was not quiet"),
    ],
)
def test_quiet_and_resume_say_whether_they_changed_anything(
    verb: str, quiet: bool, news: bool, words: str
) -> None:
    daemon = Recorder(news=news)
    (answer,) = ask(daemon, verb)
    assert answer["ok"] is True and words in answer["text"]
    assert daemon.calls == [("quiet", quiet, f"tqd {verb}")]


# -- errors ---------------------------------------------------------------------------------------

NO_WORDS = [7, 1.5, True, [], ["now"], {}, {"now": 1}]


@pytest.mark.parametrize("verb", [None, "", "Status", "statuses", *NO_WORDS])
def test_an_unknown_verb_is_told_which_there_are(verb: object) -> None:
    verbs = "status, why, thresholds, stop, reload, scale, quiet, resume"
    assert refused(verb) == f"unknown verb {verb!r}; the verbs are: {verbs}"


def test_a_request_without_a_verb_is_told_the_same() -> None:
    answers: list[dict[str, object]] = []
    serve(Recorder(), {}, answers.append)
    assert "unknown verb None" in str(answers[0]["error"])


@pytest.mark.parametrize("count", [0, -1, MOST_DECISIONS + 1, 1.5, "20", None, []])
def test_why_wants_a_count_within_its_bounds(count: object) -> None:
    assert refused("why", count=count) == f"count is {count!r}: it is a whole number from 1 to 1000"


@pytest.mark.parametrize("how", ["", "later", None, *NO_WORDS])
def test_stop_wants_one_of_its_hastes(how: object) -> None:
    assert refused("stop", how=how) == f"how is {how!r}: it is one of drain, now, kill"


@pytest.mark.parametrize("until", ["", "later", None, *NO_WORDS])
def test_reload_wants_one_of_its_ends(until: object) -> None:
    assert refused("reload", until=until) == f"until is {until!r}: it is one of serving, drained"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"workers": 2, "change": 1},
        {"workers": 2, "change": 0},
        {"workers": None},
        {"workers": "2"},
        {"workers": 2.0},
        {"workers": True},
        {"change": "+1"},
        {"change": False},
        {"change": []},
    ],
)
def test_scale_wants_exactly_one_whole_number(arguments: dict[str, object]) -> None:
    assert refused("scale", **arguments) == 'scale wants one of "workers": N and "change": ±N'


@pytest.mark.parametrize("workers", [-1, MOST_WORKERS + 1, pytest.param(10**4000, id="enormous")])
def test_so_many_workers_are_refused(workers: int) -> None:
    (answer,) = ask(daemon := Recorder(), "scale", workers=workers)
    assert answer["ok"] is False and daemon.calls == []
    assert answer["error"] == f"{workers} workers are not to be had: it is 0 to 1024"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (99_999, "+99999 would make 100001 workers of 2"),
        (MOST_WORKERS - 1, "+1023 would make 1025 workers of 2"),
        (-3, "-3 would make -1 workers of 2"),
        pytest.param(10**4000, "would make 1", id="enormous"),
    ],
)
def test_a_change_to_so_many_workers_is_refused_with_the_changes_that_are_to_be_had(
    change: int, words: str
) -> None:
    (answer,) = ask(daemon := Recorder(workers=2), "scale", change=change)
    assert answer["ok"] is False and daemon.calls == []
    assert words in answer["error"]
    rest = ": it is 0 to 1024; ask for a change of -2 to +1022, or for a number of workers"
    assert answer["error"].endswith(rest)


# -- signals --------------------------------------------------------------------------------------

SIGNALS: dict[signal.Signals, tuple[object, ...]] = {
    signal.SIGTERM: ("stop", None, "SIGTERM"),
    signal.SIGINT: ("stop", None, "SIGINT"),
    signal.SIGQUIT: ("stop", Haste.NOW, "SIGQUIT"),
    signal.SIGHUP: ("reload", "SIGHUP", "serving"),
    signal.SIGTTIN: ("resize", 3, "SIGTTIN"),
    signal.SIGTTOU: ("resize", 1, "SIGTTOU"),
    signal.SIGTSTP: ("quiet", True, "SIGTSTP"),
    signal.SIGCONT: ("quiet", False, "SIGCONT"),
}


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_does_what_it_means(number: signal.Signals) -> None:
    daemon = Recorder()
    assert by_signal(daemon, number) is True
    assert daemon.calls == [SIGNALS[number]]


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGTTIN, MOST_WORKERS), (signal.SIGTTOU, 0)], ids=["SIGTTIN", "SIGTTOU"]
)
def test_a_signal_for_a_number_that_is_not_to_be_had_changes_nothing_and_that_is_said(
    number: signal.Signals, workers: int
) -> None:
    daemon = Recorder(workers=workers)
    assert by_signal(daemon, number) is True
    ((what, reason, why),) = daemon.calls
    assert (what, why) == ("refuse", number.name) and "it is 0 to 1024" in str(reason)


@pytest.mark.parametrize("number", sorted(set(signal.Signals) - set(SIGNALS)), ids=lambda number: number.name)
def test_any_other_signal_means_nothing(number: signal.Signals) -> None:
    daemon = Recorder()
    assert by_signal(daemon, number) is False
    assert daemon.calls == []


@pytest.mark.parametrize("verb", ["scale", "quiet", "resume"])
def test_a_stopping_daemon_is_not_told_how_to_go_on(verb: str) -> None:
    daemon = Recorder()
    daemon.stopping = True
    (answer,) = ask(daemon, verb, workers=3)
    assert answer["ok"] is False and "stopping" in answer["error"]
    assert daemon.calls == []


# -- thresholds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "calls"),
    [("show", []), ("freeze", [("freeze", True)]), ("thaw", [("freeze", False)]), ("reset", [("reset",)])],
)
def test_thresholds_are_shown_after_what_is_asked_for(what: str, calls: list[object]) -> None:
    daemon = Recorder()
    assert ask(daemon, "thresholds", do=what) == [{"ok": True, "factor": 1.0}]
    assert daemon.scaling.calls == calls


def test_what_cannot_be_done_to_thresholds_is_refused_with_what_can() -> None:
    assert "show, freeze, thaw, reset" in refused("thresholds", do="melt")


def test_with_an_autoscaler_a_number_of_workers_holds_for_a_while_and_that_is_said() -> None:
    daemon = Recorder()
    daemon.scaling.acting = True
    (answer,) = ask(daemon, "scale", workers=4)
    assert "for 10 minutes, then the autoscaler decides alone again" in answer["text"]
