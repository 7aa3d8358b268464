"""A log that nobody reads holds up nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tqd.system.output import PatientOutput


@pytest.fixture
def pipe() -> Iterator[tuple[int, PatientOutput]]:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        yield reader, PatientOutput(stream)
    os.close(reader)


def test_what_is_taken_is_written_in_order(pipe: tuple[int, PatientOutput]) -> None:
    reader, output = pipe
    for number in range(3):
        output.write(f"line {number}\n")
    assert os.read(reader, 100) == b"line 0\nline 1\nline 2\n"
    assert output.dropped == 0


def test_a_full_pipe_does_not_stop_the_writer_and_what_is_left_out_is_said(
    pipe: tuple[int, PatientOutput],
) -> None:
    reader, output = pipe
    line = "x" * 999 + "\n"
    for _ in range(200):
        output.write(line)
    assert output.dropped > 100
    left_out = output.dropped
    while len(os.read(reader, 65_536)) == 65_536:
        pass
    output.write("again\n")
    assert (
        os.read(reader, 65_536).decode() == f"{left_out} log lines were left out: nobody took them\nagain\n"
    )


def test_a_reader_that_is_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        os.close(reader)
        assert PatientOutput(stream).write("line\n") == 5
