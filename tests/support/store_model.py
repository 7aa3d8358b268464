"""What the store's scripts must do, in plain Python: the words of the design without Redis.

A task is a number, in one place; only the token of its newest claim moves it out of `claims`. With two
crashes on record it is a suspect, and goes where only a probe claims it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.support.store_driver import envelope

Counts = tuple[int, int, int]
"""Fence, attempts, crashes."""

LOOK_AGAIN_MS = 1000
"""When to look whether a limit of concurrency has room."""


@dataclass
class StoreModel:
    max_dead: int
    ready: dict[str, list[int]] = field(default_factory=dict)
    due: dict[str, dict[int, int]] = field(default_factory=dict)
    parked: dict[str, list[int]] = field(default_factory=dict)
    suspect: dict[str, list[int]] = field(default_factory=dict)
    claims: dict[str, dict[int, bytes]] = field(default_factory=dict)
    counts: dict[int, Counts] = field(default_factory=dict)
    dead: dict[int, int] = field(default_factory=dict)
    replays: dict[int, int] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    scopes: dict[int, str] = field(default_factory=dict)
    payloads: dict[int, int] = field(default_factory=dict)
    marked: set[int] = field(default_factory=set)
    may_claim: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    schedules: dict[str, str] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    depths: dict[str, int] = field(default_factory=dict)
    concurrency: dict[str, int] = field(default_factory=dict)
    noted: dict[str, set[tuple[str, int, bytes]]] = field(default_factory=dict)
    limit_keys: dict[int, str] = field(default_factory=dict)
    key_concurrency: dict[str, int] = field(default_factory=dict)
    lines: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    looks: dict[str, dict[str, int]] = field(default_factory=dict)
    key_noted: dict[tuple[str, str], set[tuple[str, int, bytes]]] = field(default_factory=dict)
    arrived: Counter[str] = field(default_factory=Counter)
    work_left: bool = False
    held_back: bool = False

    def enqueue(self, new: Sequence[int], queue: str, due_ms: int) -> None:
        if due_ms:
            self.due[queue].update(dict.fromkeys(new, due_ms))
        else:
            self.ready[queue] += new
            self.arrived[queue] += len(new)

    def depth(self, queue: str) -> int:
        return len(self.ready[queue]) + len(self.due[queue]) + self.lined(queue)

    def lined(self, queue: str) -> int:
        """Return how many tasks of a queue the limits of their keys hold back."""
        return sum(map(len, self.lines[queue].values()))

    def key_of(self, number: int) -> str:
        """Return the limit key of a task; a replaced one has that of the newest."""
        return self.limit_keys.get(self.payloads.get(number, number), "")

    def fits(self, queue: str, count: int) -> bool:
        return not self.depths.get(queue) or self.depth(queue) + count <= self.depths[queue]

    def limit(self, limits: dict[str, tuple[int, int, int]]) -> None:
        """Take over the depth of queues, and the concurrency of them and of their keys; others have none."""
        self.depths = {queue: depth for queue, (depth, _, _) in limits.items() if depth}
        self.concurrency = {queue: most for queue, (_, most, _) in limits.items() if most}
        self.key_concurrency = {queue: most for queue, (_, _, most) in limits.items() if most}
        self.noted = {queue: self.noted.get(queue, set()) for queue in limits}

    def purge(self, queue: str, ready: bool) -> list[int]:
        """Remove what waits in a queue, ready or scheduled."""
        gone = list(self.ready[queue] if ready else self.due[queue])
        if ready:
            self.ready[queue] = []
        else:
            self.due[queue] = {}
        for number in gone:
            self.gone(number)
        return gone

    def purge_line(self, queue: str, key: str) -> list[int]:
        """Remove what the limits of a key hold back."""
        gone = self.lines[queue].pop(key)
        del self.looks[queue][key]
        for number in gone:
            self.gone(number)
        return gone

    def publish(self, declared: dict[str, str], now_ms: int) -> None:
        """Replace the schedules, each with its queue; a new one begins now."""
        self.schedules = dict(declared)
        self.fired = {name: self.fired.get(name, now_ms) for name in declared}

    def fire(self, name: str, slots: dict[int, int]) -> tuple[int, bool]:
        """Make a task ready for each slot later than the last, in order, until the queue is full.

        Returns how many there are of them, and whether a slot is left as the queue is full.
        """
        queue, count = self.schedules[name], 0
        for slot, number in slots.items():
            if slot <= self.fired[name]:
                continue
            if not self.fits(queue, 1):
                return count, True
            self.fired[name] = slot
            self.ready[queue].append(number)
            self.arrived[queue] += 1
            count += 1
        return count, False

    def enqueue_unique(self, new: int, queue: str, due_ms: int, key: str, scope: str, replace: bool) -> str:
        """Returns what is answered: new, duplicate or replaced; `keys[key]` has it then."""
        holder = self.keys.get(key)
        if holder is None:
            self.enqueue([new], queue, due_ms)
            self.counts[new], self.keys[key], self.scopes[new] = (1, 0, 0), new, scope
            return "new"
        ready, due, line = self.ready[queue], self.due[queue], self.lines[queue].get(self.key_of(holder), [])
        if not replace or not (holder in ready or holder in due or holder in line):
            return "duplicate"
        moved = holder in line and self.key_of(new) != self.key_of(holder)
        if due_ms or holder in due or moved:
            ready[:] = [number for number in ready if number != holder]
            due.pop(holder, None)
            self.leave_line(holder)
            self.enqueue([holder], queue, due_ms)
            if moved and not due_ms:
                self.arrived[queue] -= 1  # it had arrived before
        self.counts[holder] = (self.counts[holder][0], 0, 0)
        self.scopes[holder], self.payloads[holder] = scope, new
        self.marked.discard(holder)
        return "replaced"

    def payload(self, number: int) -> bytes:
        """Return what a task is now: a replaced one is the newest."""
        return envelope(self.payloads.get(number, number), self.key_of(number))

    def free(self, number: int) -> None:
        """Let a task hold no key any more."""
        self.keys = {key: holder for key, holder in self.keys.items() if holder != number}
        self.scopes.pop(number, None)

    def cancel(self, number: int) -> str:
        """End a task that waits, and mark one that is claimed."""
        place = self.places().get(number)
        if place is None or place == "dead":
            return "over or unknown"
        if place.startswith("claims:"):
            self.marked.add(number)
            return "asked"
        for lists in (self.ready, self.parked, self.suspect):
            for name in lists:
                lists[name] = [one for one in lists[name] if one != number]
        for due in self.due.values():
            due.pop(number, None)
        self.leave_line(number)
        self.gone(number)
        return "cancelled"

    def leave_line(self, number: int) -> None:
        """Take a task out of the line in which it waits, if it does."""
        for queue, lines in self.lines.items():
            for key in [key for key, line in lines.items() if number in line]:
                lines[key].remove(number)
                if not lines[key]:
                    del lines[key], self.looks[queue][key]

    def gone(self, number: int) -> None:
        """Forget what was kept beside a task."""
        self.counts.pop(number, None)
        self.marked.discard(number)
        self.free(number)

    def claim(
        self, worker: str, now_ms: int, credit: int, caps: Sequence[tuple[str, int]]
    ) -> dict[int, bytes]:
        """Promote what is due, take in order; returns number → token of what was taken."""
        if worker not in self.may_claim:
            return {}
        return self.take(worker, self.ready, self.promote(now_ms, caps), credit, now_ms)

    def probe(self, worker: str, credit: int, caps: Sequence[tuple[str, int]]) -> dict[int, bytes]:
        """Take suspects, in the same way."""
        return self.take(worker, self.suspect, caps, credit) if worker in self.may_claim else {}

    def promote(self, now_ms: int, caps: Sequence[tuple[str, int]]) -> Sequence[tuple[str, int]]:
        for queue, _ in caps:
            if queue in self.paused:
                continue
            ripe = sorted((ms, n) for n, ms in self.due[queue].items() if ms <= now_ms)
            for _, number in ripe:
                del self.due[queue][number]
                self.ready[queue].append(number)
                self.arrived[queue] += 1
        return caps

    def take(
        self,
        worker: str,
        waiting: dict[str, list[int]],
        caps: Sequence[tuple[str, int]],
        credit: int,
        now_ms: int = 0,
    ) -> dict[int, bytes]:
        taken: dict[int, bytes] = {}
        self.work_left = self.held_back = False
        for queue, cap in caps:
            if queue in self.paused:
                continue
            by_key = now_ms and (queue in self.key_concurrency or self.lines[queue])
            there = len(waiting[queue]) + (self.lined(queue) if by_key else 0)
            may = min(there, self.room(queue))
            take = min(cap, credit - len(taken), may)
            if by_key and take:
                chosen, more = self.take_by_key(queue, take, now_ms)
                waiting[queue] = [one for one in waiting[queue] if one not in chosen]
            else:
                chosen, more = waiting[queue][:take], True
                waiting[queue] = waiting[queue][take:]
            left = may > len(chosen) and more
            self.work_left |= left
            self.held_back |= not left and there > len(chosen)
            for number in chosen:
                fence, attempts, crashes = self.counts.get(number, (0, 0, 0))
                taken[number] = b"%d:%d:%d:%s" % (fence + 1, attempts, crashes, queue.encode())
                if self.scopes.get(number) == "until_started":
                    self.free(number)
                if queue in self.concurrency:
                    self.noted[queue].add((worker, number, taken[number]))
                if by_key and queue in self.key_concurrency and self.key_of(number):
                    noted = self.key_noted.setdefault((queue, self.key_of(number)), set())
                    noted.add((worker, number, taken[number]))
        self.claims[worker].update(taken)
        return taken

    def take_by_key(self, queue: str, wanted: int, now_ms: int) -> tuple[list[int], bool]:
        """Take from the lines in turn, then from the ready list, of which some line up; are there more?"""
        lines, looks, ready = self.lines[queue], self.looks[queue], self.ready[queue]
        taken: list[int] = []
        free = {key: self.key_room(queue, key) for key in {*lines, *map(self.key_of, ready)}}
        ahead: dict[str, list[int]] = {}
        more = False
        for _, key in sorted((ms, key) for key, ms in looks.items()):
            if len(taken) == wanted:
                more = True
                break
            some = lines[key][: min(free[key], wanted - len(taken))]
            taken, lines[key], free[key] = taken + some, lines[key][len(some) :], free[key] - len(some)
            looks[key] = now_ms
            more |= bool(lines[key]) and free[key] > 0
            if not lines[key]:
                del lines[key], looks[key]
        while ready and len(taken) < wanted:
            number = ready.pop(0)
            key = self.key_of(number)
            back = number in self.counts and (self.counts[number] != (1, 0, 0) or number not in self.scopes)
            if not key or (free[key] > 0 and (back or not (key in lines or key in ahead))):
                taken.append(number)
                free[key] -= 1
            elif back:
                ahead.setdefault(key, []).append(number)
            else:
                lines.setdefault(key, []).append(number)
        for key, numbers in ahead.items():
            lines[key] = numbers + lines.get(key, [])
        for key in lines:
            looks.setdefault(key, now_ms)
        return taken, more or bool(ready)

    def key_room(self, queue: str, key: str) -> int:
        """Return how many tasks of a key may start."""
        if not key or queue not in self.key_concurrency:
            return 10_000
        noted = self.key_noted.get((queue, key), set())
        running = sum(self.claims[worker].get(number) == token for worker, number, token in noted)
        return max(0, self.key_concurrency[queue] - running)

    def room(self, queue: str) -> int:
        """Return how many tasks of a queue may start: what was claimed under its limit and is held counts."""
        if queue not in self.concurrency:
            return len(self.counts) + 10_000
        running = sum(self.claims[worker].get(number) == token for worker, number, token in self.noted[queue])
        return max(0, self.concurrency[queue] - running)

    def next_look(self, now_ms: int, *, probe: bool) -> int:
        """Return when the worker that has just claimed is to look again; 0: no such time."""
        times = [ms for q, due in self.due.items() if q not in self.paused for ms in due.values()]
        return min(([] if probe else times) + [now_ms + LOOK_AGAIN_MS] * self.held_back, default=0)

    def next_due(self) -> int:
        return min((ms for due in self.due.values() for ms in due.values()), default=0)

    def owns(self, worker: str, number: int, token: bytes) -> bool:
        return self.claims[worker].get(number) == token

    def end(self, worker: str, number: int) -> None:
        del self.claims[worker][number]
        self.gone(number)

    def bury(self, worker: str, number: int, now_ms: int) -> None:
        self.end(worker, number)
        self.dead[number] = now_ms
        self.forget_dead(self.max_dead)

    def forget_dead(self, most: int) -> None:
        by_age = sorted(self.dead, key=lambda n: (self.dead[n], n))
        for old in by_age[: max(0, len(by_age) - most)]:
            del self.dead[old]

    def replay(self, number: int, queue: str, now_ms: int) -> None:
        """Make a dead letter a task again; its fence goes on above every earlier claim's."""
        del self.dead[number]
        fence = max(-(-now_ms // 10_000) * 10_000, self.replays.get(number, 0) + 100_000)
        self.counts[number], self.replays[number] = (fence, 0, 0), fence
        self.limit_keys.pop(number, None)
        self.payloads.pop(number, None)  # whoever replays it says what it is
        self.ready[queue].append(number)
        self.arrived[queue] += 1

    def put_back(self, worker: str, number: int, charged: bool = False, crashed: bool = False) -> str:
        """Take a task out of its claim and note its counts; returns the queue it came from."""
        fence, attempts, crashes, queue = self.claims[worker].pop(number).split(b":", 3)
        self.counts[number] = (int(fence), int(attempts) + charged, int(crashes) + crashed)
        return queue.decode()

    def release(self, worker: str, numbers: Sequence[int], crashed: bool = False) -> None:
        """Give tasks back to the heads of their queues, in their order."""
        for number in reversed(numbers):
            queue = self.put_back(worker, number, crashed=crashed)
            kept = self.suspect if self.counts[number][2] >= 2 else self.ready
            kept[queue].insert(0, number)

    def reclaim(self, worker: str) -> None:
        self.release(worker, sorted(self.claims[worker]), crashed=True)
        self.lost.discard(worker)

    def fence(self, worker: str) -> None:
        if worker in self.may_claim:
            self.may_claim.discard(worker)
            self.lost.add(worker)

    def places(self) -> dict[int, str]:
        found = dict.fromkeys(self.dead, "dead")
        for kind in ("ready", "due", "parked", "suspect", "claims"):
            for name, numbers in getattr(self, kind).items():
                found |= dict.fromkeys(numbers, f"{kind}:{name}")
        for queue, lines in self.lines.items():
            for key, numbers in lines.items():
                found |= dict.fromkeys(numbers, f"held:{queue}:{key}")
        return found
