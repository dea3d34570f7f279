"""The ready queue does what a list that is looked through at each question does."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scheduler.domain.ready_queue import KINDS_OF_WORKERS, LineName, ReadyQueue

LANES = ["builder", "parser", "reviewer"]
lanes = st.sampled_from(LANES)
limit_keys = st.sampled_from([None, "api", "disk"])
lines = st.tuples(lanes, st.sampled_from([None, "a", "b"]), limit_keys)
keys = st.sampled_from([-3.0, -1.5, 0.0, 0.25, 7.0])

Entry = tuple[float, int, LineName]


class QueueMachine(RuleBasedStateMachine):
    """Without points for fairness the best key that is open comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = self.make()
        self.naive: list[Entry] = []
        self.next = 0
        self.closed: set[str] = set()  # lanes and limit keys

    def make(self) -> ReadyQueue:
        return ReadyQueue()

    def new(self, line: LineName, key: float) -> int:
        self.next += 1
        self.naive.append((key, self.next, line))
        return self.next

    def is_open(self, lane: str, limit_key: str | None) -> bool:
        return lane not in self.closed and limit_key not in self.closed

    @rule(line=lines, key=keys)
    def add(self, line: LineName, key: float) -> None:
        self.queue.add(line, self.new(line, key), key)

    @rule(line=lines, many=st.lists(keys, max_size=5))
    def add_many(self, line: LineName, many: list[float]) -> None:
        self.queue.add_many(line, [(key, self.new(line, key)) for key in many])

    @rule(number=st.integers(0, 60))
    def remove(self, number: int) -> None:
        left = [entry for entry in self.naive if entry[1] != number]
        assert self.queue.remove(number) == (len(left) < len(self.naive))
        self.naive = left

    @precondition(lambda self: self.naive)
    @rule(data=st.data(), key=keys)
    def rekey(self, data: st.DataObject, key: float) -> None:
        entry = data.draw(st.sampled_from(self.naive))
        self.queue.rekey(entry[1], key)
        self.naive.remove(entry)
        self.naive.append((key, *entry[1:]))

    @rule(name=lanes | limit_keys.filter(bool))
    def close_or_open(self, name: str) -> None:
        if name not in self.closed:
            self.closed.add(name)
            return
        self.closed.remove(name)
        reopen = self.queue.reopen_lane if name in LANES else self.queue.reopen_limit_key
        concerned = {line[0] for _, _, line in self.naive if name in (line[0], line[2])}
        assert set(reopen(name)) == concerned

    @rule(asked=st.none() | st.lists(lanes | st.just("unheard of"), unique=True))
    def pop(self, asked: list[str] | None) -> None:
        matching = [
            entry
            for entry in self.naive
            if (asked is None or entry[2][0] in asked) and self.is_open(entry[2][0], entry[2][2])
        ]
        assert self.queue.has_turn(asked, self.is_open) == bool(matching)
        if not matching:
            assert self.queue.pop(asked, self.is_open) is None
        else:
            number = self.queue.pop(asked, self.is_open)
            (chosen,) = (entry for entry in matching if entry[1] == number)
            self.check_choice(asked, matching, chosen)
            self.naive.remove(chosen)

    def check_choice(
        self, asked: Sequence[str] | None, matching: Sequence[Entry], chosen: Entry
    ) -> None:
        assert chosen == min(matching)

    @invariant()
    def both_hold_the_same(self) -> None:
        assert len(self.queue) == len(self.naive)
        assert set(self.queue.lanes()) == {line[0] for _, _, line in self.naive}
        for key, number, line in self.naive:
            assert number in self.queue
            before = sum(e[2][0] == line[0] and e[:2] < (key, number) for e in self.naive)
            assert self.queue.ahead(number) == before
        assert 0 not in self.queue


WEIGHTS: dict[str | None, float] = {"a": 2.0, "b": 0.5}
POINTS = 2.0

Tag = tuple[float, float]  # not below, not above: in starts


class Shares:
    """What one kind of workers owes to each group.

    A group that comes back has not saved up. But the queue notices only when it looks for the
    group that this one is away: until then its old tag may hold.
    """

    def __init__(self) -> None:
        self.tags: dict[str | None, Tag] = {}
        self.away: set[str | None] = set()
        self.now: Tag = (0.0, 0.0)

    def see(self, there: set[str | None], present: set[str | None]) -> None:
        """These groups have something, and these something that may start."""
        for group in there - self.tags.keys():
            self.tags[group] = self.now
        for group in present:
            if group in self.away:
                low, high = self.tags[group]
                self.tags[group] = (low, max(high, self.now[1]))
        self.away = self.tags.keys() - present

    def started(self, group: str | None) -> None:
        low, high = self.tags[group]
        self.now = (max(low, self.now[0]), max(high, self.now[1]))
        start = 1.0 / WEIGHTS.get(group, 1.0)
        self.tags[group] = (low + start, high + start)


class FairQueueMachine(QueueMachine):
    """With points, each start ahead of the others takes some off a group's tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: dict[tuple[str, ...] | None, Shares] = {}

    def make(self) -> ReadyQueue:
        return ReadyQueue(POINTS, lambda group: WEIGHTS.get(group, 1.0))

    def check_choice(
        self, asked: Sequence[str] | None, matching: Sequence[Entry], chosen: Entry
    ) -> None:
        workers = None if asked is None else tuple(asked)
        if workers not in self.shares:
            self.shares[workers] = Shares()
            self.all_groups_are_seen()
        shares = self.shares[workers]
        group = chosen[2][1]
        mine = chosen[0] + POINTS * shares.tags[group][0]
        for entry in matching:
            if entry[2][1] == group:
                assert chosen[:2] <= entry[:2]
            else:
                assert mine <= entry[0] + POINTS * shares.tags[entry[2][1]][1] + 1e-9
        shares.started(group)

    @invariant()
    def all_groups_are_seen(self) -> None:
        for asked, shares in self.shares.items():
            lines = {line for _, _, line in self.naive if asked is None or line[0] in asked}
            present = {line[1] for line in lines if self.is_open(line[0], line[2])}
            shares.see({line[1] for line in lines}, present)


QueueMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestQueueMachine = QueueMachine.TestCase
FairQueueMachine.TestCase.settings = QueueMachine.TestCase.settings
TestFairQueueMachine = FairQueueMachine.TestCase


def test_kinds_of_workers_that_are_gone_are_forgotten() -> None:
    """And one that comes back finds what is there."""
    queue = ReadyQueue()
    queue.add(("builder", None, None), 1, 0.0)
    for kind in range(2 * KINDS_OF_WORKERS):
        assert queue.pop((f"lane {kind}",)) is None
    assert len(queue._turns) == KINDS_OF_WORKERS
    assert queue.pop(("builder",)) == 1
    queue.add(("builder", None, None), 2, 0.0)
    assert queue.pop(("builder",)) == 2


def test_memory_does_not_grow_with_workers_that_never_come_back() -> None:
    """Lines that came and went leave nothing with those who once asked."""
    queue = ReadyQueue()
    assert queue.pop(("builder",)) is None
    for number in range(10_000):
        queue.add(("builder", f"group {number}", None), number, float(-number))
        assert queue.pop() == number
    for turns in queue._turns.values():
        assert max(len(turns._heads), len(turns._sharers)) < 200
