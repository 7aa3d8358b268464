"""What children tell the master fits the frame that carries it: a long reason, many queues."""

from __future__ import annotations

import pytest

from tqd.wire.frames import FrameReader
from tqd.wire.messages import MAX_TEXT, Failed, Sampled, decode_message, encode_message
from tqd.worker.main import fitting

TEXTS = ["", "short", "x" * 100_000, "ä€" * 5_000, "\U0001f600" * 5_000, "\ud800" * 9_000]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_fits_and_arrives(text: str) -> None:
    fit = fitting(text)
    assert len(fit.encode()) <= MAX_TEXT
    (frame,) = FrameReader().feed(encode_message(Failed(78, fit)))
    assert decode_message(frame) == Failed(78, fit)


def test_a_short_text_is_kept_and_a_long_one_keeps_both_ends() -> None:
    assert fitting("as it is ä") == "as it is ä"
    fit = fitting("the beginning" + "·" * 10_000 + "the end")
    assert fit.startswith("the beginning") and fit.endswith("the end") and "[...]" in fit


def test_a_sample_of_as_many_queues_as_there_may_be_fits_a_frame() -> None:
    assert encode_message(Sampled([[*[2**40] * 6, 2**32 - 1]] * 64, 2**40))
