"""Traces are read as they were written, or refused with the line and the rule."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.unit.simulate.builders import task
from tqd.errors import TraceError
from tqd.simulate.trace import LONGEST_LINE, as_csv, read

HEAD = "arrival_s,run_s,queue,name\n"
TASKS = [task(0, 1.5, "default", "a.b"), task(0, 0, "low", 'with "quotes", and a comma'), task(7.25, 3)]


def test_what_was_written_is_read() -> None:
    assert list(read(as_csv(TASKS))) == TASKS


def test_jsonl_has_the_same_keys_and_may_have_others() -> None:
    lines = [json.dumps({"id": 1, **one._asdict()}) + "\n" for one in TASKS]
    assert list(read([*lines, "\n"])) == TASKS


def test_columns_are_found_by_their_names() -> None:
    lines = ["id,name,queue, run_s,arrival_s\n", "1,a,q,2,1\n", "\n", "2,a,q,2,1\n"]
    assert list(read(lines)) == [task(1, 2, "q", "a")] * 2


def test_a_trace_is_read_as_it_is_needed() -> None:
    endless = itertools.chain([HEAD], (f"{n},1,q,a\n" for n in itertools.count()))
    assert [one.arrival_s for one in itertools.islice(read(endless), 3)] == [0, 1, 2]


BAD = [
    ([], "line 1 of the trace: there is nothing; a trace has a header, arrival_s,"),
    ([HEAD], "there are no tasks below it; a trace has .* at least one task"),
    (["arrival_s,run_s,queue\n"], "names arrival_s, run_s, queue, name; what is missing: name"),
    ([HEAD, "1,1,q,a\n", "1,1,q\n"], "line 3 of the trace: there are 3 values; as many as in the header: 4"),
    ([HEAD, "x,1,q,a\n"], "line 2 of the trace: arrival_s is 'x'; it is a number of seconds"),
    ([HEAD, "1,nan,q,a\n"], "run_s is 'nan'"),
    ([HEAD, "1,inf,q,a\n"], "run_s is 'inf'"),
    ([HEAD, "1,-1,q,a\n"], "run_s is '-1'"),
    ([HEAD, "1795000000,1,q,a\n"], "since the trace began, 0 to 31,622,400"),
    ([HEAD, "5,1,q,a\n", "4,1,q,a\n"], "line 3 of the trace: arrival_s is 4; .* came at 5: sort the trace"),
    ([HEAD, "1,1,,a\n"], "queue is ''; it is a name of 1 to 200 characters"),
    ([HEAD, f"1,1,q,{'a' * 201}\n"], "it is a name of 1 to 200"),
    ([HEAD, "1" * (LONGEST_LINE + 1)], "line 2 of the trace: it goes on and on; .* at most 10,000"),
    (["{\n"], "line 1 of the trace: .*each line is a JSON object"),
    (['{"arrival_s": 1}\n'], "line 1 of the trace: it has no run_s"),
    (['{"arrival_s": 1, "run_s": 1, "queue": "q", "name": "n"}\n', "[1]\n"], "line 2 .*a JSON object"),
    (['{"arrival_s": true, "run_s": 1, "queue": "q", "name": "n"}\n'], "arrival_s is True"),
    (['{"arrival_s": 1, "run_s": 1, "queue": 3, "name": "n"}\n'], "queue is 3"),
    (['{"arrival_s": 1' + "0" * 400 + ', "run_s": 1, "queue": "q", "name": "n"}\n'], "arrival_s is 10000"),
    ([HEAD, '1,1,"q,a\n'], "line 2 of the trace"),
    (["[" * 9000 + "\n"], "line 1 of the trace"),
    (["{" * 9000 + "\n"], "line 1 of the trace"),
]


@pytest.mark.parametrize(("lines", "words"), BAD, ids=[words for _, words in BAD])
def test_what_cannot_be_read_is_named_with_its_line_and_the_rule(lines: list[str], words: str) -> None:
    with pytest.raises(TraceError, match=words) as caught:
        list(read(lines))
    assert f"line {caught.value.line} " in str(caught.value)
