"""What workers have told, as a trace."""

from __future__ import annotations

from tqd.simulate.recorded import arrivals
from tqd.simulate.trace import as_csv, read


def test_rows_become_a_trace_in_the_order_of_arrival_from_zero() -> None:
    found = arrivals([[2500, 100_000, "default", "mail"], [1000, 2_000_000, "low", "report"]])
    assert found == [(0.0, 2.0, "low", "report"), (1.5, 0.1, "default", "mail")]
    assert list(read(as_csv(found))) == found


def test_what_is_no_row_is_left_out() -> None:
    garbage = [[1], ["x", 1, "q", "n"], [1, -1, "q", "n"], [1, 1, 2, "n"], [1, 1, "q", None]]
    assert arrivals([*garbage, [1, 1, "q", "n"]]) == [(0.0, 0.000001, "q", "n")]


def test_nothing_is_an_empty_trace() -> None:
    assert arrivals([]) == []
