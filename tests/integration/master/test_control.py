"""The control socket with real clients: what they get, and which of them are let go."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.wait import DEADLINE_S
from tqd.master.control import LONGEST_REPLY, LONGEST_REQUEST, MOST_CLIENTS, Answer, ControlServer

Request = dict[str, object]
STATUS = b'{"verb":"status"}\n'
OWN = 2
"""The listener's descriptor, and the spare one."""


class Server:
    """A control server in a loop that the test turns. Each request is kept with its answer function, and
    answered by `react`, when there is one."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.selector = selectors.DefaultSelector()
        self.requests: list[tuple[Request, Answer]] = []
        self.react: Callable[[Request, Answer], None] | None = None
        self.control = ControlServer(self.path, self.selector, self._take)
        self.clients: list[Client] = []
        self.closed = False

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.control.close()

    def _take(self, request: Request, answer: Answer) -> None:
        self.requests.append((request, answer))
        if self.react is not None:
            self.react(request, answer)

    def turn(self, timeout_s: float = 0.0) -> bool:
        """Do one round of the loop as the master does; False when nothing happened."""
        found = self.selector.select(timeout_s)
        for key, events in found:
            key.data(events)
        return bool(found)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Turn the loop until something is so."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"not within {DEADLINE_S:g} s: {what}"
            self.turn(0.01)

    def settle(self) -> None:
        """Turn the loop until nothing more is to be done."""
        for _ in range(1000):
            if not self.turn():
                return
        raise AssertionError("the loop never comes to rest")

    def connect(self, data: bytes = b"") -> Client:
        client = Client(self)
        self.clients.append(client)
        client.connection.sendall(data)
        return client

    def ask(self, data: bytes, count: int = 1) -> Client:
        """Connect and send; returns when so many requests have come in altogether."""
        client = self.connect(data)
        self.until(lambda: len(self.requests) >= count, f"{count} requests, not {len(self.requests)}")
        return client


class Client:
    """A client that reads when it is told to. `ended`: the server has closed."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(server.path)
        self.connection.setblocking(False)
        self.data = b""
        self.ended = False

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                while data := self.connection.recv(1 << 20):
                    self.data += data
            except ConnectionResetError:
                pass
            self.ended = True

    @property
    def lines(self) -> list[dict[str, Any]]:
        self.read()
        return [json.loads(line) for line in self.data.splitlines(keepends=True) if line.endswith(b"\n")]

    @property
    def dropped(self) -> bool:
        self.read()
        return self.ended


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    served = Server(tmp_path / "control.sock")
    yield served
    for client in served.clients:
        client.connection.close()
    served.close()
    served.selector.close()


def echo(request: Request, answer: Answer) -> None:
    answer({"echo": request.get("verb")})


# -- answers --------------------------------------------------------------------------------------


def test_several_clients_at_a_time_get_each_their_own_answer(server: Server) -> None:
    clients = [server.connect(json.dumps({"verb": f"v{n}"}).encode() + b"\n") for n in range(5)]
    server.until(lambda: len(server.requests) == 5, "all have asked")
    for request, answer in reversed(server.requests):
        answer({"echo": request["verb"]})
    assert [client.lines for client in clients] == [[{"echo": f"v{n}"}] for n in range(5)]


def test_progress_comes_line_by_line_before_the_answer(server: Server) -> None:
    client = server.ask(STATUS)
    ((_, answer),) = server.requests
    told: list[dict[str, object]] = [
        {"progress": "1 of 2"},
        {"progress": "2 of 2"},
        {"ok": True, "text": "ä → €"},
    ]
    for count, line in enumerate(told, 1):
        answer(line)
        assert client.lines == told[:count]
    assert client.data.count(b"\n") == 3
    server.settle()
    assert not client.dropped


def test_a_request_may_come_in_pieces_and_another_may_follow(server: Server) -> None:
    server.react = echo
    client = server.connect()
    for piece in (b'{"verb":', b'"one"', b"}"):
        client.connection.sendall(piece)
        server.settle()
        assert server.requests == []
    client.connection.sendall(b"\n")
    server.until(lambda: client.lines == [{"echo": "one"}], "the first answer")
    client.connection.sendall(b'{"verb":"two"}\n')
    server.until(lambda: client.lines == [{"echo": "one"}, {"echo": "two"}], "the second answer")


def test_a_long_answer_comes_in_full_to_a_client_that_reads_slowly(server: Server) -> None:
    told: list[dict[str, object]] = [
        {"progress": "x" * (LONGEST_REPLY // 2)},
        {"text": "y" * (LONGEST_REPLY // 3)},
    ]

    def react(request: Request, answer: Answer) -> None:
        for line in told:
            answer(line)

    server.react = react
    client = server.ask(STATUS)
    server.settle()
    assert not client.data, "nothing was read yet"
    server.until(lambda: len(client.lines) == 2, "the whole answer")
    assert client.lines == told
    server.react = echo
    client.connection.sendall(STATUS)
    server.until(lambda: len(client.lines) == 3, "it is heard again")


GARBAGE = (
    b"\n", b"status\n", b"[]\n", b'"status"\n', b"7\n", b"null\n", b"\xff\xfe\xfd\n", b"{\n",
    b"[" * 4000 + b"\n", b"\x00" * 100 + b"\n", b"1" * 4090 + b"\n", STATUS + STATUS,
)  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage[:12]))
def test_garbage_is_a_request_without_words(server: Server, garbage: bytes) -> None:
    server.react = echo
    client = server.ask(garbage)
    server.until(lambda: client.lines, "an answer")
    assert [request for request, _ in server.requests] == [{}]
    assert client.lines == [{"echo": None}]


# -- clients that are let go ----------------------------------------------------------------------


def test_the_longest_request_is_heard_and_a_longer_one_is_not(server: Server) -> None:
    head, tail = b'{"verb":"', b'"}\n'
    longest = head + b"x" * (LONGEST_REQUEST - len(head) - len(tail)) + tail
    server.ask(longest)
    assert server.requests[0][0]["verb"] == "x" * (LONGEST_REQUEST - len(head) - len(tail))
    client = server.connect(longest[:-3] + b"x" + tail)
    server.until(lambda: client.dropped, "it is let go")
    assert len(server.requests) == 1
    assert "longer than" in str(client.lines[0]["error"])


def test_a_request_without_an_end_is_not_collected_for_ever(server: Server) -> None:
    client = server.connect()
    for _ in range(2):
        client.connection.sendall(b"x" * (LONGEST_REQUEST // 2))
        server.settle()
        assert not client.dropped
    client.connection.sendall(b"x")
    server.until(lambda: client.dropped, "it is let go")
    assert server.requests == []


def test_a_client_that_never_reads_is_dropped_and_the_others_are_served(server: Server) -> None:
    stuck = server.ask(STATUS)
    other = server.ask(STATUS, 2)
    (_, to_stuck), (_, to_other) = server.requests
    line: dict[str, object] = {"progress": "x" * (LONGEST_REPLY // 8)}
    for _ in range(7):
        to_stuck(line)
        server.settle()
    assert len(server.control.descriptors()) == OWN + 2, "so much may wait for it"
    for _ in range(4):
        to_stuck(line)
    assert len(server.control.descriptors()) == OWN + 1
    assert all(not client["progress"].strip("x") for client in stuck.lines) and stuck.dropped
    to_stuck({"ok": True})
    to_other({"ok": True})
    assert other.lines == [{"ok": True}]


def test_a_client_that_leaves_without_reading_its_answer_is_let_go(server: Server) -> None:
    server.react = echo
    client = server.ask(STATUS)
    client.connection.close()  # with the answer unread this resets the connection
    server.until(lambda: len(server.control.descriptors()) == OWN, "it is noticed")
    server.settle()


def test_an_answer_to_a_client_that_has_left_is_nobodys_concern(server: Server) -> None:
    left, vanished = server.ask(STATUS), server.ask(STATUS, 2)
    (_, to_left), (_, to_vanished) = server.requests
    left.connection.close()
    server.until(lambda: len(server.control.descriptors()) == OWN + 1, "it is noticed")
    vanished.connection.close()
    for answer in (to_left, to_vanished):
        answer({"progress": "1 of 2"})
        answer({"ok": True})
    assert len(server.control.descriptors()) == OWN
    server.react = echo
    late = server.ask(STATUS, 3)
    assert late.lines == [{"echo": "status"}], "its descriptor's number is another client's now"


def test_a_late_answer_does_not_reach_the_next_client(server: Server) -> None:
    gone = server.ask(STATUS)
    ((_, answer),) = server.requests
    gone.connection.close()
    server.until(lambda: len(server.control.descriptors()) == OWN, "it is noticed")
    stranger = server.connect()
    server.until(lambda: len(server.control.descriptors()) == OWN + 1, "another one comes")
    answer({"for": "somebody else"})
    server.settle()
    assert stranger.lines == []


def test_one_client_too_many_costs_the_oldest_its_place(server: Server) -> None:
    server.react = echo
    clients = []
    for number in range(MOST_CLIENTS):
        clients.append(server.connect())
        count = number + 1 + OWN
        server.until(lambda count=count: len(server.control.descriptors()) == count, "it is in")  # type: ignore[misc]
    assert not any(client.dropped for client in clients)
    newest = server.connect(STATUS)
    server.until(lambda: newest.lines, "the newest is answered")
    assert [client.dropped for client in clients] == [True] + [False] * (MOST_CLIENTS - 1)
    assert len(server.control.descriptors()) == OWN + MOST_CLIENTS
    clients[1].connection.sendall(STATUS)
    server.until(lambda: clients[1].lines, "the others are heard")


def test_a_client_that_loses_its_place_in_the_round_in_which_it_speaks(server: Server) -> None:
    """Its event is served after its connection was closed: that must harm nobody."""
    server.react = echo
    oldest = server.connect()
    for count in range(2, MOST_CLIENTS + 2):
        server.until(lambda count=count: len(server.control.descriptors()) == count, "it is in")  # type: ignore[misc]
        last = server.connect()
    oldest.connection.sendall(STATUS)
    server.settle()
    assert oldest.dropped
    last.connection.sendall(STATUS)
    server.until(lambda: last.lines, "the others are heard")


# -- the socket -----------------------------------------------------------------------------------


def test_only_its_owner_may_connect_and_the_umask_is_as_before(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        server = Server(tmp_path / "control.sock")
        mode = stat.S_IMODE(os.stat(server.path).st_mode)
        after = os.umask(0)
    finally:
        os.umask(before)
    server.close()
    assert (mode, after) == (0o600, 0)


def test_a_dead_ones_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = Server(path)
    server.react = echo
    assert server.ask(STATUS).lines == [{"echo": "status"}]
    server.close()


def test_after_the_close_nobody_is_connected_and_the_socket_is_gone(server: Server) -> None:
    client = server.ask(STATUS)
    ((_, answer),) = server.requests
    descriptors = server.control.descriptors()
    server.close()
    assert client.dropped
    for descriptor in descriptors:
        with pytest.raises(OSError):
            os.fstat(descriptor)
    assert not os.path.exists(server.path)
    assert server.selector.get_map() is not None and not server.selector.get_map()
    answer({"ok": True})
    with pytest.raises(OSError):
        server.connect()


def test_a_socket_that_somebody_removed_does_not_spoil_the_end(server: Server) -> None:
    os.unlink(server.path)
    server.close()


def test_what_a_child_must_close_are_the_listener_and_all_clients(server: Server) -> None:
    assert len(server.control.descriptors()) == OWN
    server.ask(STATUS)
    mine = [fd for fd in server.control.descriptors() if stat.S_ISSOCK(os.fstat(fd).st_mode)]
    assert len(mine) == len(set(mine)) == 2
    assert set(mine) == set(server.selector.get_map())
    assert not any(os.get_inheritable(fd) or os.get_blocking(fd) for fd in mine)


def test_a_connection_for_which_there_is_no_descriptor_is_turned_away(server: Server) -> None:
    client = server.connect()
    server.until(lambda: len(server.control.descriptors()) == OWN + 1, "it is in")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        waiting.connect(server.path)
        server.settle()
        waiting.settimeout(5)
        assert waiting.recv(1) == b"", "it was closed, and does not keep the loop awake"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        waiting.close()
    client.connection.sendall(STATUS)
    server.until(lambda: len(server.requests) == 1, "the others are served")
