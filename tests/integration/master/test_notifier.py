"""What arrives at systemd's socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tqd.system.notify import LONGEST, Notifier, status


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address as NOTIFY_SOCKET names it."""
    if request.param == "path":
        return str(tmp_path / "notify")
    return f"@tqd-test-{os.getpid()}-{tmp_path.name}"


@pytest.fixture
def manager(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("\0" + address[1:] if address.startswith("@") else address)
        bound.setblocking(False)
        yield bound


def sent(manager: socket.socket, address: str, *lines: str) -> bytes:
    """Send the lines; returns the one message that arrives."""
    assert Notifier({"NOTIFY_SOCKET": address}).send(*lines) is True
    data = manager.recv(1 << 20)
    with pytest.raises(BlockingIOError):
        manager.recv(1)
    return data


def test_lines_arrive_as_one_message(manager: socket.socket, address: str) -> None:
    assert sent(manager, address, "READY=1") == b"READY=1"
    assert sent(manager, address, "RELOADING=1", "MONOTONIC_USEC=5") == b"RELOADING=1\nMONOTONIC_USEC=5"


def test_a_text_cannot_forge_another_line(manager: socket.socket, address: str) -> None:
    data = sent(manager, address, "READY=1", status("import failed\nSTOPPING=1\n\n"))
    assert data == b"READY=1\nSTATUS=import failed STOPPING=1  "


@pytest.mark.parametrize("char", ["x", "é", "€", "😀"])
@pytest.mark.parametrize("shift", range(4))
def test_a_long_text_is_cut_between_two_characters(
    manager: socket.socket, address: str, char: str, shift: int
) -> None:
    head = "READY=1\nSTATUS=" + "x" * shift
    data = sent(manager, address, "READY=1", status("x" * shift + char * 5000))
    assert LONGEST - 4 < len(data) <= LONGEST
    text = data.decode()
    assert text.startswith(head) and set(text.removeprefix(head)) == {char}


def test_a_text_of_the_longest_length_is_not_cut(manager: socket.socket, address: str) -> None:
    text = status("x" * (LONGEST - len("STATUS=")))
    assert sent(manager, address, text) == text.encode()


def test_what_is_no_text_is_escaped(manager: socket.socket, address: str) -> None:
    assert sent(manager, address, status("file \udcff is ä")) == "STATUS=file \\udcff is ä".encode()


def test_nobody_at_the_address_is_no_error(address: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    assert Notifier({"NOTIFY_SOCKET": address}).send("READY=1") is False
    assert Notifier({"NOTIFY_SOCKET": "/" + "x" * 500}).send("READY=1") is False
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_manager_that_does_not_read_is_not_waited_for(manager: socket.socket, address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    taken = 0
    while notifier.send("WATCHDOG=1"):
        taken += 1
        assert taken < 1_000_000, "the socket takes everything"
    assert taken > 0
    assert manager.recv(100) == b"WATCHDOG=1"
    assert notifier.send("WATCHDOG=1") is True
