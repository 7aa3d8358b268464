"""Dead letters of a real daemon: looked at, replayed and run again."""

from __future__ import annotations

import json

from tests.e2e.conftest import APP, Start
from tests.support.wait import until
from tqd import TaskQueue

MENDED = """
@tq.task(name="brittle", max_retries=0)
async def brittle(line: str):
    if not os.path.exists(gate):
        raise ValueError("not mended yet")
    write(line)
"""


def test_what_failed_is_replayed_after_the_repair_and_runs_once(make: Start, producer: TaskQueue) -> None:
    daemon = make(APP + MENDED)
    daemon.start("-w", "2")
    handles = [producer.enqueue("brittle", f"n{number}") for number in range(5)]
    until(lambda: producer.dead.count() == 5, "all are dead", 20)
    url = ("-r", daemon.redis_url)
    listed = json.loads(daemon.tqd("dead", "ls", "-e", "ValueError", "--json", *url).stdout)
    assert sorted(row["id"] for row in listed["dead_letters"]) == sorted(handle.id for handle in handles)
    daemon.write("journal.gate", "")
    replayed = daemon.tqd("dead", "replay", "-t", "brittle", "--rate", "50", *url)
    assert replayed.returncode == 0 and "5 dead letters replayed" in replayed.stdout, replayed.stderr
    until(lambda: sorted(daemon.lines()) == [f"n{number}" for number in range(5)], "each ran once", 20)
    until(lambda: daemon.status()["totals"]["done"] == 5, "the beats have told", 20)
    assert producer.dead.count() == 0
    gone = daemon.tqd("task", "show", handles[0].id, *url)
    assert gone.returncode == 1 and "no trace" in gone.stderr


def test_a_shorter_life_of_dead_letters_counts_after_a_reload(make: Start, producer: TaskQueue) -> None:
    daemon = make()
    config = daemon.write("tqd.toml", "[dead_letters]\nmax_age = 3600.0\n")
    daemon.start("-w", "1")
    producer.enqueue("fails")
    until(lambda: producer.dead.count() == 1, "it is dead", 20)
    config.write_text("[dead_letters]\nmax_age = 0.001\n")
    reloaded = daemon.tqd("reload", "--runtime-dir", str(daemon.runtime))
    assert reloaded.returncode == 0 and "dead_letters.max_age" in reloaded.stdout, reloaded.stderr
    until(lambda: producer.dead.count() == 0, "the new keeper has removed it", 20)
