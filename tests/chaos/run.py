"""One run: a seed's faults, one after the other, while producers and two daemons work; then the account."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.chaos.account import Line, Verdict, attempts
from tests.chaos.outcome import Outcome
from tests.chaos.plan import Fault, plan
from tests.chaos.world import World
from tests.support.engines import engines
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue
from tqd.clock import monotonic
from tqd.errors import TaskError

SETTLED_S = 60.0
EARLY_S = 0.2
"""A delayed task may begin so much before its time: a crowded machine reads no clock quickly."""

RESULTS = 200
"""Results that are asked for in the end, of each producer, the newest."""


def run(seed: int, told: Callable[[str], None] = lambda line: None) -> Outcome:
    """Run a seed's plan; AssertionError when something does not come to its end in time."""
    began_s = monotonic()
    faults = plan(seed)
    with RedisServer(engines()[0].binary, appendonly=True) as server, World(server, seed) as world:
        times_s = _strike(world, faults, told)
        _settle(world)
        return _account(world, seed, faults, times_s, began_s)


def _strike(world: World, faults: list[Fault], told: Callable[[str], None]) -> dict[str, list[float]]:
    times_s: dict[str, list[float]] = {}
    for fault in faults:
        try:
            took_s = world.strike(fault)
        except AssertionError as error:
            raise AssertionError(f"{fault}: {error}") from error
        kept = times_s.setdefault(fault.kind, [])
        if took_s is not None:
            kept.append(took_s)
        told(f"{fault} took {'nothing to wait for' if took_s is None else f'{took_s:.3f} s'}")
    return times_s


def _settle(world: World) -> None:
    """Wait until nothing is left to run and both daemons are whole."""
    world.producers.stop()
    try:
        until(lambda: world.scene.living() == 0, "all tasks have ended", SETTLED_S)
    except AssertionError as error:
        verdict = world.scene.verdict(world.producers.acknowledged, world.causes)
        evidence = _evidence(world, world.scene.lines(), verdict)
        raise AssertionError("\n".join([f"{error}: {verdict}", *world.scene.left(), *evidence])) from None
    for host in world.hosts:
        host.whole()


def _account(
    world: World, seed: int, faults: list[Fault], times_s: dict[str, list[float]], began_s: float
) -> Outcome:
    producers, scene = world.producers, world.scene
    lines, kinds = scene.lines(), [kind for fault in faults for kind in (fault.kind, fault.on_top) if kind]
    verdict = scene.verdict(producers.acknowledged, world.causes)
    return Outcome(
        seed=seed,
        lease_s=world.lease_s,
        took_s=monotonic() - began_s,
        tasks=len(producers.acknowledged),
        uncertain=sum(ledger.uncertain for ledger in producers.ledgers),
        refused=sum(ledger.full for ledger in producers.ledgers),
        attempts=sum(map(len, attempts(lines).values())),
        faults={kind: kinds.count(kind) for kind in kinds},
        times_s=times_s,
        verdict=verdict,
        early=_early(lines, producers.due_s),
        wrong_results=tuple(_wrong_results(world)),
        findings=tuple(scene.findings()),
        evidence=tuple(_evidence(world, lines, verdict)),
    )


def _evidence(world: World, lines: list[Line], verdict: Verdict) -> Iterator[str]:
    """Yield all that is known about what is wrong: the journal of those tasks, and what was done when."""
    wrong = {*verdict.lost, *verdict.doubled, *verdict.stuck, *verdict.charged}
    yield from (str(line) for line in lines if line.number in wrong)
    if wrong:
        yield from map(str, world.causes)
        yield from world.struck
        yield from (host.output() for host in world.hosts)


def _early(lines: list[Line], due_s: dict[int, float]) -> dict[int, float]:
    """Return how much too early delayed tasks began, in s."""
    began = {line.number: line.at_s for line in reversed(lines) if line.word == "began"}
    early = {number: due - began[number] for number, due in due_s.items() if number in began}
    return {number: by_s for number, by_s in early.items() if by_s > EARLY_S}


def _wrong_results(world: World) -> list[int]:
    queue = TaskQueue(world.server.url)
    try:
        wrong = []
        for number, handle in [row for each in world.producers.ledgers for row in each.valued[-RESULTS:]]:
            try:
                value = queue.handle(handle.id).result(timeout=5.0)
            except TaskError as error:
                value = error
            if value != number * 7:
                wrong.append(number)
        return wrong
    finally:
        queue.close()
