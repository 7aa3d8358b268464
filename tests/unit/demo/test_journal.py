"""The journal: written in one piece, read while it grows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tqd.cli import demo_journal
from tqd.cli.demo_journal import VARIABLE, Entry, Journal, Word, parse, write


def test_what_is_written_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    demo_journal._file.cache_clear()
    write(Word.BEGAN, 7, 2, 1)
    write(Word.DONE, 7, 2, 1)
    journal = Journal(str(tmp_path))
    entries = list(journal.read())
    assert [(e.pid, e.word, e.number, e.fence, e.attempt) for e in entries] == [
        (os.getpid(), Word.BEGAN, 7, 2, 1),
        (os.getpid(), Word.DONE, 7, 2, 1),
    ]
    assert list(journal.read()) == []
    os.close(demo_journal._file(os.getpid()))
    demo_journal._file.cache_clear()


def test_a_line_without_its_end_waits_for_it(tmp_path: Path) -> None:
    journal, file = Journal(str(tmp_path)), tmp_path / "42"
    file.write_bytes(b"began 1 1 1 0.5\nbegan 2 1")
    assert [entry.number for entry in journal.read()] == [1]
    file.write_bytes(b"began 1 1 1 0.5\nbegan 2 1 1 0.6\n")
    assert list(journal.read()) == [Entry(42, Word.BEGAN, 2, 1, 1, 0.6)]


def test_a_line_that_is_none_is_passed_over() -> None:
    assert parse(1, b"began 1 1") is None
    assert parse(1, b"vanished 1 1 1 0.5") is None
    assert parse(1, b"\xff\xfe 1 1 1 0.5") is None
