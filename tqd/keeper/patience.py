"""Whether a keeper may judge other nodes by their leases. Pure.

A Redis that was stopped, or could not be reached, takes nobody's renewal. When it is back all leases are
over, and whoever looks first would call living nodes dead. So others are judged only after this keeper's
own renewals have come through without a gap for as long as a lease: then theirs could have as well.
"""

from __future__ import annotations


class Patience:
    """Told of each renewal of this node's own lease; all times are monotonic s."""

    __slots__ = ("_gap_s", "_last", "_lease_s", "_since")

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        # Renewals come each third of a lease. Half a lease between two of them is more than lateness, and
        # not yet enough to cost a node its lease.
        self._gap_s = lease_s / 2
        self._since: float | None = None
        self._last = 0.0

    def renewed(self, now: float) -> None:
        """Note that Redis has acknowledged a renewal."""
        if self._since is None or now - self._last > self._gap_s:
            self._since = now
        self._last = now

    def may_judge(self, now: float) -> bool:
        """Tell whether a lease that is over means that its node is dead."""
        if self._since is None or now - self._last > self._gap_s:
            return False
        return now - self._since >= self._lease_s
