"""The reason of a failed boot always fits the frame that carries it."""

from __future__ import annotations

import pytest

from tqd.wire.messages import MAX_TEXT, Failed, decode_message, encode_message
from tqd.wire.frames import FrameReader
from tqd.worker.main import fitting


@pytest.mark.parametrize("text", ["", "short", "x" * 100_000, "ä€" * 5_000, "\U0001f600" * 5_000, "\ud800" * 9_000])
def test_any_text_fits_and_arrives(text: str) -> None:
    fit = fitting(text)
    assert len(fit.encode()) <= MAX_TEXT
    (frame,) = FrameReader().feed(encode_message(Failed(78, fit)))
    assert decode_message(frame) == Failed(78, fit)


def test_a_short_text_is_kept_and_a_long_one_keeps_both_ends() -> None:
    assert fitting("as it is ä") == "as it is ä"
    fit = fitting("the beginning" + "·" * 10_000 + "the end")
    assert fit.startswith("the beginning") and fit.endswith("the end") and "[...]" in fit
