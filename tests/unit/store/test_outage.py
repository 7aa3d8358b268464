"""For how long Redis has not answered."""

from __future__ import annotations

from tqd.store.outage import PATIENCE_S, Outage


def test_whoever_asked_nothing_misses_no_answer() -> None:
    assert Outage().down_s(1000.0) == 0.0


def test_a_question_that_stays_open_is_an_outage_from_its_asking_on() -> None:
    outage = Outage()
    outage.asked(100.0)
    assert outage.down_s(100.0 + PATIENCE_S) == 0.0
    assert outage.down_s(102.0) == 2.0


def test_an_answer_ends_it() -> None:
    outage = Outage()
    outage.asked(100.0)
    outage.answered(103.0)
    assert outage.down_s(110.0) == 0.0


def test_a_question_that_failed_is_an_outage_until_the_next_answer() -> None:
    outage = Outage()
    outage.asked(100.0)
    outage.failed()
    assert outage.down_s(105.0) == 5.0
    outage.asked(106.0)
    assert outage.down_s(106.0) == 6.0
    outage.failed()
    assert outage.down_s(110.0) == 10.0
    outage.asked(110.0)
    outage.answered(110.1)
    assert outage.down_s(120.0) == 0.0


def test_an_answer_to_one_question_shows_that_redis_is_there_for_the_others() -> None:
    outage = Outage()
    outage.asked(100.0)
    outage.asked(101.0)
    outage.answered(102.0)
    assert outage.down_s(102.4) == 0.0
    assert outage.down_s(105.0) == 3.0, "the other one is still open"
    outage.answered(105.0)
    assert outage.down_s(200.0) == 0.0


def test_an_earlier_question_is_not_forgotten_for_a_later_one() -> None:
    outage = Outage()
    outage.asked(100.0)
    outage.asked(104.0)
    outage.failed()
    assert outage.down_s(105.0) == 5.0
