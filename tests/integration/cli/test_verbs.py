"""The verbs as a user types them, against a daemon that says what the test wants."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.integration.cli.conftest import FakeDaemon
from tests.support.wait import until
from tests.unit.cli.builders import event, status, worker

STOPPING = status(state="stopping", healthy=False, workers=[worker(1, busy=2, oldest_s=7.0)])


# -- looking --------------------------------------------------------------------------------------


def test_status_is_0_when_healthy_1_when_not_and_3_when_nobody_is_there(running: FakeDaemon) -> None:
    running.answer(status=[status()])
    healthy = running.tqd("status")
    assert healthy.returncode == 0 and healthy.stdout.startswith("tqd 0.2.0 is running: shop.tasks:tq")
    assert json.loads(running.tqd("status", "--json").stdout) == status()
    running.answer(status=[status(healthy=False, state="degraded", problems=["it burns"])])
    sick = running.tqd("status")
    assert sick.returncode == 1 and "problem: it burns" in sick.stdout
    running.end()
    gone = running.tqd("status")
    assert gone.returncode == 3 and running.directory.path in gone.stdout and "--runtime-dir" in gone.stdout
    asked = running.tqd("status", "--json")
    assert (asked.returncode, json.loads(asked.stdout)) == (
        3,
        {"state": "not running", "runtime_dir": running.directory.path},
    )


def test_status_in_a_pipe_has_no_colours_and_every_column(running: FakeDaemon) -> None:
    running.answer(status=[status(workers=[worker(id="w" * 200)])])
    shown = running.tqd("status").stdout
    assert "w" * 200 in shown and "\x1b" not in shown


def test_why_shows_the_events_one_a_line_the_newest_last(running: FakeDaemon) -> None:
    events = [event("worker ready", seat="worker-1"), event("reload refused", "warning", reason="a\nb")]
    running.answer(why=[{"events": events}])
    shown = running.tqd("why", "-n", "5")
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == [
        "2026-11-23T04:00:00.123Z info    worker ready  seat=worker-1",
        '2026-11-23T04:00:00.123Z warning reload refused  reason="a | b"',
    ]
    assert running.heard()[-1] == '{"verb": "why", "count": 5}'
    assert json.loads(running.tqd("why", "--json").stdout) == {"events": events}
    assert len(running.tqd("why", "-n", "1").stdout.splitlines()) == 1


def test_worker_ls_lists_the_workers_and_what_they_run(running: FakeDaemon) -> None:
    running.answer(status=[status()])
    shown = running.tqd("worker", "ls")
    assert shown.returncode == 0 and "shop.tasks.mail ×3" in shown.stdout
    assert json.loads(running.tqd("worker", "ls", "--json").stdout) == {"workers": status()["workers"]}


# -- steering -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "asked"), [("-1", {"change": -1}), ("+2", {"change": 2}), ("4", {"workers": 4})]
)
def test_scale_sends_a_number_or_a_change(running: FakeDaemon, word: str, asked: dict[str, int]) -> None:
    running.answer(scale=[{"ok": True, "was": 2, "workers": 1, "text": "2 workers become 1"}])
    result = running.tqd("scale", word)
    assert (result.returncode, result.stdout) == (0, "2 workers become 1\n")
    assert json.loads(running.heard()[-1]) == {"verb": "scale", **asked}


def test_what_the_daemon_refuses_is_told_with_its_reason(running: FakeDaemon) -> None:
    running.answer(scale=[{"ok": False, "error": "workers must be 0 to 1024"}], quiet=[{"error": "stopping"}])
    for words, reason in ((("scale", "9999"), "0 to 1024"), (("quiet",), "stopping")):
        result = running.tqd(*words)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("tqd: ") and reason in result.stderr


def test_quiet_and_resume_say_what_the_daemon_says(running: FakeDaemon) -> None:
    running.answer(quiet=[{"ok": True, "text": "no new tasks"}], resume=[{"ok": True, "text": "on again"}])
    assert running.tqd("quiet").stdout == "no new tasks\n"
    assert running.tqd("resume").stdout == "on again\n"


NEED_A_DAEMON = [("scale", "1"), ("quiet",), ("resume",), ("reload",), ("why",), ("worker", "ls")]


@pytest.mark.parametrize("words", NEED_A_DAEMON, ids=" ".join)
def test_without_a_daemon_the_directory_is_named_and_how_to_name_another(
    fake: FakeDaemon, words: tuple[str, ...]
) -> None:
    result = fake.tqd(*words)
    assert (result.returncode, result.stdout) == (3, "")
    assert fake.directory.path in result.stderr and "--runtime-dir" in result.stderr


@pytest.mark.parametrize("words", NEED_A_DAEMON, ids=" ".join)
def test_a_daemon_of_an_older_version_is_told(running: FakeDaemon, words: tuple[str, ...]) -> None:
    result = running.tqd(*words)
    assert result.returncode == 1
    assert "unknown verb" in result.stderr and "restart it" in result.stderr


# -- reload ---------------------------------------------------------------------------------------

DONE: dict[str, object] = {
    "ok": True,
    "generation": 2,
    "text": "generation 2 serves",
    "changes": ["no setting has changed"],
}
DONE["warnings"] = ["redis.url needs a restart"]


def test_reload_shows_progress_and_then_the_end(running: FakeDaemon) -> None:
    running.answer(reload=[{"progress": "generation 2: 1 of 4 workers ready"}, DONE])
    result = running.tqd("reload", "--wait")
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "generation 2: 1 of 4 workers ready",
        "generation 2 serves",
        "  no setting has changed",
    ]
    assert "warning: redis.url needs a restart" in result.stderr
    assert running.heard()[-1] == '{"verb": "reload", "until": "drained"}'


def test_reload_may_return_when_the_new_generation_serves(running: FakeDaemon) -> None:
    running.answer(reload=[DONE])
    assert running.tqd("reload", "--serving").returncode == 0
    assert running.heard()[-1] == '{"verb": "reload", "until": "serving"}'


def test_reload_as_json_is_one_object_and_the_progress_goes_elsewhere(running: FakeDaemon) -> None:
    running.answer(reload=[{"progress": "half-way"}, DONE])
    result = running.tqd("reload", "--json")
    assert json.loads(result.stdout) == DONE and "half-way" in result.stderr
    running.answer(reload=[{"ok": False, "error": "no"}])
    refused = running.tqd("reload", "--json")
    assert (refused.returncode, json.loads(refused.stdout)) == (1, {"ok": False, "error": "no"})


def test_a_refused_reload_tells_the_whole_reason(running: FakeDaemon) -> None:
    reason = "importing shop failed:\nTraceback:\n  File x\nZeroDivisionError: 1 / 0"
    running.answer(reload=[{"progress": "canary"}, {"ok": False, "error": reason}])
    result = running.tqd("reload")
    assert (result.returncode, result.stderr) == (1, f"tqd: {reason}\n")


def test_a_reload_that_takes_longer_than_the_user_waits_goes_on(running: FakeDaemon) -> None:
    running.answer(reload=[{"progress": "canary"}, "silence"], status=[status(reload="generation 2: canary")])
    result = running.tqd("reload", "--timeout", "0.5")
    assert result.returncode == 1
    assert "not done after 0.5 s (generation 2: canary); the reload goes on" in result.stderr


def test_a_reload_whose_daemon_ends_is_no_success(running: FakeDaemon) -> None:
    running.answer(reload=[{"progress": "canary"}, "exit"])
    result = running.tqd("reload")
    assert result.returncode == 1 and f"pid {running.pid}" in result.stderr


def test_ctrl_c_leaves_a_reload_and_says_that_it_goes_on(running: FakeDaemon) -> None:
    running.answer(reload=[{"progress": "canary"}, "silence"])
    client = running.spawn("reload")
    assert client.stdout is not None
    assert client.stdout.readline() == "canary\n"
    client.send_signal(signal.SIGINT)
    _, told = client.communicate(timeout=20)
    assert client.returncode == 130 and "the reload goes on" in told


# -- stop -----------------------------------------------------------------------------------------


def waits(client: subprocess.Popen[str]) -> str:
    """Return the first line of a stop that waits."""
    assert client.stdout is not None
    return client.stdout.readline()


def test_stop_is_one_sigterm_and_waits_for_the_end(running: FakeDaemon) -> None:
    running.answer(status=[status()], SIGTERM="exit")
    result = running.tqd("stop")
    assert result.returncode == 0 and "has stopped" in result.stdout
    assert running.heard()[1:] == ['{"verb": "status"}', "SIGTERM"]


def test_stop_of_nobody_is_done(fake: FakeDaemon) -> None:
    result = fake.tqd("stop")
    assert result.returncode == 0 and fake.directory.path in result.stdout


def test_stop_shows_the_tasks_it_waits_for_and_gives_up_after_the_time(running: FakeDaemon) -> None:
    running.answer(status=[STOPPING])
    result = running.tqd("stop", "--timeout", "0.5")
    assert result.returncode == 1
    assert (
        "2 running tasks in 1 worker (shop.tasks.mail ×3, shop.tasks.resize), the oldest for 7 s"
        in result.stdout
    )


def test_a_daemon_that_already_stops_is_only_waited_for(running: FakeDaemon) -> None:
    running.answer(status=[STOPPING])
    client = running.spawn("stop")
    assert "the oldest for 7 s" in waits(client)
    assert "SIGTERM" not in running.heard(), "a second one would cut its tasks' time short"
    running.end()
    assert client.wait(20) == 0
    client.communicate()


def test_ctrl_c_leaves_a_stop_and_says_that_it_goes_on(running: FakeDaemon) -> None:
    running.answer(status=[STOPPING])
    client = running.spawn("stop")
    assert "running tasks" in waits(client)
    client.send_signal(signal.SIGINT)
    _, told = client.communicate(timeout=20)
    assert client.returncode == 130
    assert f"(pid {running.pid}) goes on stopping" in told and "Traceback" not in told
    assert running.process is not None and running.process.poll() is None


@pytest.mark.parametrize("how", ["now", "kill"])
def test_now_and_kill_are_asked_on_the_socket(running: FakeDaemon, how: str) -> None:
    running.answer(stop=[{"ok": True, "text": "all at once"}, "exit"])
    result = running.tqd("stop", f"--{how}")
    assert result.returncode == 0, result.stderr
    assert "all at once" in result.stdout and "has stopped" in result.stdout
    assert running.heard()[1:] == [json.dumps({"verb": "stop", "how": how})]


@pytest.mark.parametrize("answer", ["silence", [{"error": "unknown verb 'stop'"}]], ids=["silent", "older"])
def test_now_is_a_signal_to_a_daemon_that_does_not_answer(running: FakeDaemon, answer: object) -> None:
    running.answer(stop=answer, SIGQUIT="exit")
    result = running.tqd("stop", "--now")
    assert result.returncode == 0
    assert "SIGQUIT is sent" in result.stdout and "SIGQUIT" in running.heard()


def test_kill_ends_a_daemon_that_hangs_and_says_what_becomes_of_its_tasks(running: FakeDaemon) -> None:
    os.kill(running.pid, signal.SIGSTOP)
    result = running.tqd("stop", "--kill")
    assert result.returncode == 0
    assert "SIGKILL is sent" in result.stdout and "runs again" in result.stdout
    assert running.process is not None and running.process.wait(20) == -signal.SIGKILL


def test_a_plain_stop_of_a_daemon_that_hangs_tells_how_to_end_it(running: FakeDaemon) -> None:
    os.kill(running.pid, signal.SIGSTOP)
    result = running.tqd("stop", "--timeout", "0.1")
    assert result.returncode == 1 and "tqd stop --kill" in result.stdout
    os.kill(running.pid, signal.SIGCONT)
    until(lambda: "SIGTERM" in running.heard(), "the signal waits for it", 20)


# -- restart --------------------------------------------------------------------------------------


def test_a_restart_with_a_broken_app_leaves_the_daemon_alone(running: FakeDaemon) -> None:
    result = running.tqd("restart", "-A", "shop_that_is_missing:tq")
    assert result.returncode == 78
    assert "shop_that_is_missing" in result.stderr
    assert f"the daemon (pid {running.pid}) goes on as it is" in result.stderr
    assert running.heard() == ["ready"]


def test_a_restart_starts_nothing_while_the_old_daemon_still_stops(running: FakeDaemon) -> None:
    with open(os.path.join(running.directory.path, "shop.py"), "w") as file:
        file.write("from tqd import TaskQueue\ntq = TaskQueue()\n\n@tq.task\ndef job() -> None: ...\n")
    running.answer(status=[STOPPING])
    result = running.tqd("restart", "-A", "shop:tq", "--timeout", "0.3")
    assert result.returncode == 1
    assert "still stopping after 0.3 s" in result.stdout and "nothing is started" in result.stderr


# -- what it costs --------------------------------------------------------------------------------

HEAVY = (
    "redis",
    "hiredis",
    "uvloop",
    "asyncio",
    "msgpack",
    "psutil",
    "tomllib",
    "importlib.metadata",
    "cronsim",
)


@pytest.mark.parametrize(
    "words",
    [("status",), ("top",), ("why",), ("scale", "1"), ("reload",), ("quiet",), ("stop",), ("worker", "ls")],
)
def test_a_look_at_the_daemon_loads_nothing_heavy(running: FakeDaemon, words: tuple[str, ...]) -> None:
    answer = [{"ok": True, "text": "done"}]
    running.answer(
        status=[status()], why=[{"events": []}], scale=answer, reload=answer, quiet=answer, SIGTERM="exit"
    )
    program = "import sys; from tqd.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    result = subprocess.run(
        [*running.command(words[0])[:1], "-c", program, *words, "--runtime-dir", running.directory.path],
        env=running.environ,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    loaded = set(result.stdout.splitlines()[-1].split())
    assert loaded & set(HEAVY) == set()
    assert {name for name in loaded if name.startswith("tqd.config")} == set()


def test_a_reader_that_leaves_early_is_no_error(running: FakeDaemon) -> None:
    running.answer(why=[{"events": [event(text="x" * 1000)] * 500}])
    client = running.spawn("why", "-n", "500")
    assert client.stdout is not None and client.stderr is not None
    client.stdout.close()
    assert client.wait(20) == 1
    assert client.stderr.read() == ""
    client.stderr.close()
