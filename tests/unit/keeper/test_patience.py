"""When a keeper may call other nodes dead: not before everybody could renew for a whole lease."""

from __future__ import annotations

from tqd.keeper.patience import Patience

LEASE_S = 15.0


def renewed(*times: float) -> Patience:
    patience = Patience(LEASE_S)
    for now in times:
        patience.renewed(now)
    return patience


def test_who_has_never_renewed_judges_nobody() -> None:
    assert not Patience(LEASE_S).may_judge(1000.0)


def test_who_has_just_begun_waits_for_a_lease() -> None:
    patience = renewed(100.0, 105.0, 110.0)
    assert not patience.may_judge(114.9)


def test_after_a_lease_of_renewals_others_are_judged() -> None:
    assert renewed(100.0, 105.0, 110.0, 115.0).may_judge(115.0)


def test_a_gap_starts_the_wait_anew() -> None:
    patience = renewed(100.0, 105.0, 110.0, 115.0, 126.0, 131.0)
    assert not patience.may_judge(131.0)
    for now in (136.0, 141.0):
        patience.renewed(now)
    assert patience.may_judge(141.0)


def test_while_a_renewal_is_overdue_nobody_is_judged() -> None:
    patience = renewed(100.0, 105.0, 110.0, 115.0)
    assert patience.may_judge(122.0)
    assert not patience.may_judge(123.0)


def test_one_renewal_that_came_a_little_late_is_no_gap() -> None:
    assert renewed(100.0, 105.0, 112.0, 117.0).may_judge(117.0)
