"""Real envelopes with bytes changed, cut and doubled, through a real worker: every one has an end."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import TaskQueue
from tqd.task.identity import task_id
from tqd.task.model import TaskOptions
from tqd.wire.envelope import encode_envelope
from tqd.wire.seal import Seal

KEY = "k" * 16
ORIGINALS = [
    encode_envelope("job", [1, "a", {"b": [None, 1.5]}], {}, "default", 1_700_000_000_000),
    encode_envelope(
        "job",
        [b"\xff" * 20],
        {"k": ["v"] * 5},
        "default",
        1_700_000_000_000,
        TaskOptions(
            queue="default", max_retries=0, timeout_s=1.5, expires_s=60.0, deadline_s=2e9, delay_s=1.0
        ),
        {"trace": "x"},
    ),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return an envelope to which something has happened."""
    data = bytearray(draw(st.sampled_from(ORIGINALS)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["set", "cut", "insert", "double", "number"])):
            case "set":
                data[place : place + 1] = bytes((draw(st.integers(0, 255)),))
            case "cut":
                del data[place : place + draw(st.integers(1, 8))]
            case "insert":
                data[place:place] = draw(st.binary(min_size=1, max_size=8))
            case "double":
                data += data[place:]
            case "number":  # a length or a number beyond all bounds
                data[place : place + 1] = (
                    draw(st.sampled_from([b"\xdd", b"\xdf", b"\xcf", b"\xc9"])) + b"\xff" * 8
                )
    return bytes(data)


@pytest.mark.parametrize("keys", [[], [KEY]], ids=["unsigned", "signed"])
def test_no_mutation_of_an_envelope_stops_a_worker_or_stays_without_an_end(
    bench: Bench, keys: list[str]
) -> None:
    bench.queue = TaskQueue(bench.server.url, namespace="test", signing_keys=keys)
    ran: list[object] = []

    @bench.queue.task(name="job", max_retries=0)
    async def job(*args: object, **kwargs: object) -> None:
        ran.append(args)

    @settings(
        max_examples=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    @given(st.lists(mutated(), min_size=40, max_size=60))
    def every(batch: list[bytes]) -> None:
        bench.client.flushall()
        ids = [task_id(1, 0, os.urandom(8)) for _ in batch]
        seal = Seal([KEY])
        with bench.client.pipeline() as pipe:
            for place, (identity, data) in enumerate(zip(ids, batch, strict=True)):
                # Half of them with a signature that holds: whoever has the key may be of a broken version.
                envelope = seal.seal(identity, data) if keys and place % 2 else data
                pipe.hset(bench.keys.task, identity, envelope)  # type: ignore[arg-type]
                pipe.rpush(bench.keys.ready("default"), identity)
            pipe.execute()
        ran.clear()
        bench.run(all_end(ids))

    async def all_end(ids: list[bytes]) -> None:
        async with bench.worker(slots=8) as worker:
            await job.aenqueue("sentinel")
            await auntil(lambda: ("sentinel",) in ran, "a good task runs", 20)
            await auntil(lambda: not waiting(ids), "each is done, dead or parked", 20)
            await asyncio.sleep(0)
            assert not worker.ended

    def waiting(ids: list[bytes]) -> list[bytes]:
        return [i for i in ids if not bench.places().get(i, "dead").startswith(("dead", "parked"))]

    every()
