"""A run of some workers, simulated event by event with the order the scheduler really uses.

Time is seconds since the start of the run; only scores need the wall clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from math import inf

from scheduler.domain.node import Node
from scheduler.domain.priority import Weights, next_change, score, sort_key


def makespan(nodes: Sequence[Node], workers: int, now: float, weights: Weights) -> float:
    """Seconds that `workers` workers need for these tasks; O((n + edges) log n).

    Prerequisites outside `nodes` count as met. All tasks that end at one moment are handled
    before the next is claimed.
    """
    waiting = dict.fromkeys(nodes, 0)
    for node in nodes:
        waiting[node] = sum(found in waiting for found in node.open_prerequisites())
    line = _Line(now, weights)
    for node in nodes:
        if not waiting[node]:
            line.add(node, 0.0)
    running: list[tuple[float, int, Node]] = []
    elapsed = 0.0
    while True:
        while len(running) < workers and (claimed := line.pop(elapsed)):
            heappush(running, (elapsed + claimed.estimate, claimed.number, claimed))
        if not running:
            return elapsed
        elapsed = running[0][0]
        while running and running[0][0] == elapsed:
            for dependent in heappop(running)[2].open_dependents():
                if dependent in waiting:
                    waiting[dependent] -= 1
                    if not waiting[dependent]:
                        line.add(dependent, elapsed)


class _Line:
    """Tasks that can start, best score first, earlier number first among equals.

    A score only rises, so a task is scored again by pushing it once more: the entry that is
    out of date comes to the top after the task has left.
    """

    def __init__(self, now: float, weights: Weights) -> None:
        self._now = now
        self._weights = weights
        self._ready: dict[Node, float] = {}
        self._best: list[tuple[float, int, Node]] = []
        self._changes: list[tuple[float, int, Node]] = []

    def add(self, node: Node, elapsed: float) -> None:
        self._ready[node] = self._now + elapsed
        self._score(node, elapsed)

    def pop(self, elapsed: float) -> Node | None:
        while self._changes and self._changes[0][0] <= self._now + elapsed:
            node = heappop(self._changes)[2]
            if node in self._ready:
                self._score(node, elapsed)
        while self._best:
            node = heappop(self._best)[2]
            if self._ready.pop(node, None) is not None:
                return node
        return None

    def _score(self, node: Node, elapsed: float) -> None:
        now = self._now + elapsed
        facts = node.facts()
        points = score(facts, node.estimate, now, self._weights)
        key = sort_key(points, self._ready[node], self._weights)
        heappush(self._best, (key, node.number, node))
        change = next_change(facts, node.estimate, now)
        if change < inf:
            heappush(self._changes, (change, node.number, node))
