"""One Redis and the journal of everything that runs on it: where tasks are, and whether all is well."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.chaos.account import Cause, Line, Verdict, judge, read_lines
from tests.support.daemon import Daemon
from tests.support.places import places
from tests.support.redis_server import RedisServer
from tqd.store.auditor import Auditor
from tqd.store.connection import Endpoint, SyncLink
from tqd.store.keys import Keys
from tqd.wire.envelope import decode_envelope
from tqd.wire.records import FailureRecord

APP = "tests.chaos.app:tq"
KEYS = Keys("tqd")


class Scene:
    """What is seen from outside: Redis through clients of its own, tasks through their journal."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self._directory = tempfile.TemporaryDirectory(prefix="tqd-chaos-")
        self.journal = Path(self._directory.name) / "journal"
        self.journal.touch(0o600)
        self._lines: list[Line] = []
        self._read_bytes = 0

    def daemon(self, url: str = "", **environ: str) -> Daemon:
        """Return a daemon that is not started yet; its tasks write into this scene's journal."""
        daemon = Daemon(url or self.server.url, **(environ | {"JOURNAL": str(self.journal)}))
        daemon.target = APP
        return daemon

    def lines(self) -> list[Line]:
        """Return all that tasks have told; what is being written is left for the next time."""
        with open(self.journal, "rb") as file:
            file.seek(self._read_bytes)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(data)
        self._lines += read_lines(data.decode())
        return self._lines

    def began(self) -> set[int]:
        """Return the tasks of which an attempt began."""
        return {line.number for line in self.lines() if line.word == "began"}

    def living(self) -> int:
        """Return how many tasks have not ended."""
        return int(self.server.client.hlen(KEYS.task))  # type: ignore[arg-type]

    def verdict(self, acknowledged: Mapping[int, bool], causes: Iterable[Cause]) -> Verdict:
        """Return what became of the tasks; to be asked when nothing runs any more."""
        places(self.server.client, KEYS)
        waiting = {_number(envelope) for envelope in self._values(KEYS.task)}
        letters = {_number(FailureRecord.decode(record).envelope) for record in self._values(KEYS.failure)}
        return judge(acknowledged, self.lines(), causes, waiting, letters)

    def left(self) -> list[str]:
        """Return where the tasks are that have not ended, with what is counted of each; at most twenty."""
        client, found = self.server.client, []
        for identity, place in list(places(client, KEYS).items())[:20]:
            if place != "dead":
                counts, envelope = client.hget(KEYS.attempts, identity), client.hget(KEYS.task, identity)  # type: ignore[arg-type]
                found.append(f"{_number(envelope or b'')} is in {place}, fence:attempts:crashes {counts!r}")
        keys = sorted(key.decode() for key in client.scan_iter(count=1000))  # type: ignore[union-attr]
        return [*found, *(key for key in keys if "bell" in key or "claims" in key or "suspect" in key)]

    def findings(self) -> list[str]:
        """Return what an audit of this Redis finds, as `tqd doctor --audit` tells it."""
        link = SyncLink(Endpoint(self.server.url))
        try:
            report = Auditor(link, KEYS, "default").audit()
        finally:
            link.close()
        return [
            f"{found.finding.kind}: {found.finding.places} {found.finding.task_id.hex()}"
            for found in report.found
        ]

    def close(self) -> None:
        """Remove the journal."""
        self._directory.cleanup()

    def _values(self, key: str) -> list[bytes]:
        return list(self.server.client.hvals(key))  # type: ignore[arg-type]


def _number(envelope: bytes) -> int:
    (number, *_) = decode_envelope(envelope).args
    assert isinstance(number, int)
    return number
