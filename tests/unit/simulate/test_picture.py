"""The picture is well-formed, whatever it is told."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.unit.simulate.builders import run, task
from tqd.simulate.picture import picture

SPACE = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("title", ["a & <b> \"c\" 'd'", "bell \x07 and \x1b[31m", "lone \ud800", "ü 漢"])
def test_any_title_makes_a_well_formed_picture(title: str) -> None:
    spans = run([task(0, 40), task(0, 5)], 1, 2).series.spans
    root = ElementTree.fromstring(picture(title, spans, 10.0).encode())
    assert root.tag == f"{SPACE}svg"


def test_it_shows_four_panels_the_goal_and_where_it_was_missed() -> None:
    spans = run([task(0, 40), task(0, 5)], 1).series.spans
    root = ElementTree.fromstring(picture("t", spans, 10.0))
    texts = [text.text for text in root.iter(f"{SPACE}text")]
    assert {"workers", "utilization", "ready tasks", "age of the oldest ready task"} <= set(texts)
    assert "goal 10 s" in texts
    marked = [rect for rect in root.iter(f"{SPACE}rect") if rect.get("opacity")]
    late = [span for span in spans if span.oldest_s > 10]
    assert late and len(marked) == 4 * len(late)


def test_without_a_missed_goal_nothing_is_marked() -> None:
    root = ElementTree.fromstring(picture("t", run([task(0, 5)], 1).series.spans, 10.0))
    assert [rect for rect in root.iter(f"{SPACE}rect") if rect.get("opacity")] == []
    assert ElementTree.fromstring(picture("t", [], 10.0)).tag == f"{SPACE}svg"
