"""The ready queue does what a list that is sorted at each question does."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scheduler.domain.ready_queue import ReadyQueue

LANES = ["builder", "parser", "reviewer"]
lanes = st.sampled_from(LANES)
keys = st.sampled_from([-3.0, -1.5, 0.0, 0.25, 7.0])


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.queue = ReadyQueue()
        self.naive: list[tuple[float, int, str]] = []
        self.next = 0

    def new(self, lane: str, key: float) -> int:
        self.next += 1
        self.naive.append((key, self.next, lane))
        return self.next

    @rule(lane=lanes, key=keys)
    def add(self, lane: str, key: float) -> None:
        self.queue.add(lane, self.new(lane, key), key)

    @rule(lane=lanes, many=st.lists(keys, max_size=5))
    def add_many(self, lane: str, many: list[float]) -> None:
        self.queue.add_many(lane, [(key, self.new(lane, key)) for key in many])

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

    @rule(asked=st.none() | st.lists(lanes | st.just("unheard of")))
    def pop(self, asked: list[str] | None) -> None:
        matching = [entry for entry in self.naive if asked is None or entry[2] in asked]
        if not matching:
            assert self.queue.pop(asked) is None
        else:
            best = min(matching)
            assert self.queue.pop(asked) == best[1]
            self.naive.remove(best)

    @invariant()
    def both_hold_the_same(self) -> None:
        assert len(self.queue) == len(self.naive)
        assert set(self.queue.lanes()) == {lane for _, _, lane in self.naive}
        for key, number, lane in self.naive:
            assert number in self.queue
            before = sum(entry < (key, number, lane) for entry in self.naive if entry[2] == lane)
            assert self.queue.ahead(number) == before
        assert 0 not in self.queue


QueueMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestQueueMachine = QueueMachine.TestCase
