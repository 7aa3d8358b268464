"""The protocol as a client meets it: answers, progress, silence, nonsense, and closed doors."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.cli.conftest import FakeDaemon
from tests.support.wait import until
from tqd.cli.daemon import NotAllowed, NotAnswering, NotRunning, Refused, TimeIsOver, ask, demand, find
from tqd.system.runtime import Pidfile, RuntimeDirectory


def test_the_answer_comes_back_and_the_request_goes_out_as_it_is(running: FakeDaemon) -> None:
    running.answer(status=[{"state": "running", "text": "ä"}])
    assert ask(running.directory, "status") == {"state": "running", "text": "ä"}
    running.answer(scale=[{"ok": True}])
    assert ask(running.directory, {"verb": "scale", "change": -1}) == {"ok": True}
    assert running.heard()[1:] == ['{"verb": "status"}', '{"verb": "scale", "change": -1}']


def test_progress_is_told_as_it_comes_and_the_first_other_line_is_the_answer(running: FakeDaemon) -> None:
    running.answer(reload=[{"progress": "one"}, {"progress": "two"}, {"ok": True}, {"progress": "late"}])
    told: list[str] = []
    assert ask(running.directory, "reload", told.append) == {"ok": True}
    assert told == ["one", "two"]
    assert ask(running.directory, "reload") == {"ok": True}, "nobody has to listen to it"


def test_a_large_answer_comes_whole(running: FakeDaemon) -> None:
    running.answer(status=[{"workers": ["x" * 1000] * 1000}])
    answer = ask(running.directory, "status")
    assert answer is not None and len(answer["workers"]) == 1000


def test_nobody_is_there(fake: FakeDaemon) -> None:
    assert ask(fake.directory, "status") is None
    assert find(fake.directory) is None
    with pytest.raises(NotRunning, match=f"{fake.directory.path}; name another with --runtime-dir"):
        demand(fake.directory, "status")


def test_a_stale_socket_and_pidfile_are_nobody(running: FakeDaemon) -> None:
    assert running.process is not None
    running.process.kill()
    running.process.wait()
    assert ask(running.directory, "status") is None
    assert find(running.directory) is None


def test_a_daemon_that_is_silent_is_not_answering_after_the_time(running: FakeDaemon) -> None:
    running.answer(status="silence")
    with pytest.raises(TimeIsOver, match=rf"pid {running.pid}\) does not answer within 0.2 s"):
        ask(running.directory, "status", timeout_s=0.2)


def test_progress_does_not_make_the_time_longer(running: FakeDaemon) -> None:
    running.answer(reload=[{"progress": "one"}, "silence"])
    told: list[str] = []
    with pytest.raises(TimeIsOver):
        ask(running.directory, "reload", told.append, timeout_s=0.5)
    assert told == ["one"]


@pytest.mark.parametrize("answer", [["close"], [[1]], ["close", {"ok": True}]])
def test_a_daemon_that_answers_nonsense_or_nothing_is_not_answering(
    answer: list[object], running: FakeDaemon
) -> None:
    running.answer(status=answer)
    with pytest.raises(NotAnswering, match=f"pid {running.pid}"):
        ask(running.directory, "status")


def test_a_daemon_that_ends_instead_of_answering_is_not_running(running: FakeDaemon) -> None:
    running.answer(status="exit")
    try:
        answer = ask(running.directory, "status")
    except NotAnswering:
        # Its connection was closed a moment before it had ended: the next look is sure.
        assert running.process is not None
        running.process.wait()
        answer = ask(running.directory, "status")
    assert answer is None


def test_a_daemon_whose_socket_is_not_there_yet_is_not_answering(running: FakeDaemon) -> None:
    os.unlink(running.directory.control_socket)
    with pytest.raises(NotAnswering, match="may be starting or stopping"):
        ask(running.directory, "status")


def test_an_error_is_a_refusal_and_an_unknown_verb_is_of_another_version(running: FakeDaemon) -> None:
    running.answer(quiet=[{"ok": False, "error": "it is stopping"}])
    with pytest.raises(Refused, match=r"^it is stopping$"):
        demand(running.directory, "quiet")
    with pytest.raises(Refused, match=r"unknown verb 'resume'.* of another version"):
        demand(running.directory, "resume")


def test_a_stopped_daemon_whose_door_is_full_of_clients_is_not_answering(running: FakeDaemon) -> None:
    os.kill(running.pid, signal.SIGSTOP)
    clients = []
    try:
        for _ in range(40):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            clients.append(client)
            try:
                client.connect(running.directory.control_socket)
            except BlockingIOError:
                break
        else:
            pytest.fail("the door never got full")
        with pytest.raises(TimeIsOver):
            ask(running.directory, "status", timeout_s=0.3)
    finally:
        os.kill(running.pid, signal.SIGCONT)
        for client in clients:
            client.close()


def test_the_daemon_is_found_by_its_lock_and_watched_to_its_end(running: FakeDaemon) -> None:
    process = find(running.directory)
    assert process is not None and process.pid == running.pid
    assert not process.ended(0)
    process.send(signal.SIGTERM)
    until(lambda: "SIGTERM" in running.heard(), "the signal has come", 20)
    process.send(signal.SIGKILL)
    assert process.ended(20)
    process.close()


def test_a_pid_that_is_somebody_elses_by_now_is_nobody(fake: FakeDaemon) -> None:
    # The lock is held by a process that is not the one that the file names.
    child = os.fork()
    if child == 0:
        try:
            Pidfile(fake.directory.pidfile).hold(os.getppid(), 1)
            signal.pause()
        finally:
            os._exit(0)
    try:
        until(lambda: os.path.exists(fake.directory.pidfile), "the lock is taken", 20)
        until(lambda: Path(fake.directory.pidfile).read_text(), "the file is written", 20)
        assert find(fake.directory) is None
        assert ask(fake.directory, "status") is None
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@contextmanager
def as_a_stranger(directory: RuntimeDirectory) -> Iterator[None]:
    """Be somebody who may not look into the directory."""
    if os.geteuid() == 0:
        os.seteuid(65_534)
        try:
            yield
        finally:
            os.seteuid(0)
        return
    os.chmod(directory.path, 0)
    try:
        yield
    finally:
        os.chmod(directory.path, 0o700)


def test_another_users_daemon_is_not_called_absent(running: FakeDaemon) -> None:
    with as_a_stranger(running.directory):
        for look in (lambda: find(running.directory), lambda: ask(running.directory, "status")):
            with pytest.raises(
                NotAllowed, match=f"user .* belongs the runtime directory {running.directory.path}.*sudo -u"
            ):
                look()
