"""The four actors without an event loop: mail is delivered when, and in the order, a test says.

Between two given actors mail keeps its order, as in the channels; which mailbox is emptied
next, and how far, is the test's choice. That is every order in which the loops can run.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import Any

from actors import messages as m
from actors.gate import Gate
from actors.ingest import Ingest
from actors.messages import Post, To
from actors.observer import Observer
from actors.persister import Persister
from actors.prioritizer import Prioritizer
from actors.reply import Reply
from actors.resolver import Resolver
from persistence.memory import MemoryStore
from scheduler.domain.events import Event, TaskEvent
from scheduler.domain.task import FINISHED, Status, Task

START = 1_800_000_000.0


class Mailroom:
    """See the module. With `slow_disk` every commit goes by way of the writer's mailbox.

    A `store` that another mailroom has written to is recovered from, at `now`.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        slow_disk: bool = False,
        store: MemoryStore | None = None,
        now: float = START,
        max_unfinished: int = 1_000_000,
    ) -> None:
        bits = random.Random(seed).getrandbits
        self.now = now
        self.store = MemoryStore() if store is None else store
        self.ingest = Ingest(bits)
        self.resolver = Resolver(max_unfinished=max_unfinished)
        self.prioritizer = Prioritizer(bits)
        observer = Observer(lambda: 0.0)
        observer.add(self._hear)
        self.events: dict[int, Task] = {}  # what was told of each task last
        self.out_of_order: list[Event] = []
        self.persister = Persister(self.store, Gate(1_000_000), lambda: 0.0, observer=observer)
        self.observer = observer
        self.actors: dict[To, Any] = {
            To.INGEST: self.ingest,
            To.RESOLVER: self.resolver,
            To.PRIORITIZER: self.prioritizer,
            To.PERSISTER: self.persister,
        }
        self.boxes: dict[To, deque[Any]] = {to: deque() for to in To}
        self.revisions: dict[int, int] = {}  # the last one recorded of each task
        if slow_disk:
            self.persister._commit_cost = 1e9
        recovered: Reply[None] = Reply()
        loaded = self.persister.load(now)
        self.events |= {task.number: task for task in loaded.tasks}
        self.ingest.ids.not_before(loaded.largest)
        self.boxes[To.RESOLVER].append(m.Recover(loaded, recovered))
        self.settle()
        self.ingest.recurring.load(loaded.schedules)

    def send(self, command: Any) -> Any:
        """Hand a command in; returns its reply."""
        self.boxes[To.INGEST].append(command)
        return command.reply

    def deliver(self, to: To, count: int = 1) -> None:
        """Let one actor take up to `count` messages from its mailbox."""
        box = self.boxes[to]
        if to is To.WRITER:
            for _ in range(min(count, len(box))):
                self._write(box.popleft())
            return
        if to is To.OBSERVER:
            for _ in range(min(count, len(box))):
                self.observer.tell(box.popleft().events)
            return
        actor = self.actors[to]
        posts: list[Post] = []
        for _ in range(min(count, len(box))):
            message = box.popleft()
            if isinstance(message, m.Changed):
                self._check_revisions(message)
            posts += actor.handle(message, self.now)
        posts += actor.after(self.now)
        for address, message in posts:
            self.boxes[address].append(message)

    def _hear(self, event: Event) -> None:
        if isinstance(event, TaskEvent):
            before = self.events.get(event.task.number)
            if before is not None and before.revision > event.task.revision:
                self.out_of_order.append(event)  # raised here it would only be logged
            self.events[event.task.number] = event.task

    def _write(self, job: m.WriterMessage) -> None:
        if isinstance(job, m.Prune):
            self.boxes[To.PERSISTER].append(m.PruneEnded(None))
            return
        assert isinstance(job, m.Write)
        for _ in self.store.write(job.batch):
            pass
        self.store.commit()
        self.boxes[To.PERSISTER].append(m.Written(job.batch, 1e9))

    def _check_revisions(self, message: m.Changed) -> None:
        for task in (*message.new, *message.moved, *message.rewritten):
            assert task.revision > self.revisions.get(task.number, 0), task
            self.revisions[task.number] = task.revision

    def settle(self) -> None:
        """Deliver until nobody has anything to say."""
        while True:
            for to in To:
                self.deliver(to, 10_000)
            due = min(actor.due() for actor in self.actors.values())
            if not any(self.boxes.values()) and due > self.now:
                return

    # ------------------------------------------------------------- what must be true at rest

    def check(self) -> None:
        """Every unfinished task has one holder, and all agree on it, the store too."""
        held, open_ = self.resolver.dependencies.held, self.prioritizer.holdings.tasks
        records = self.persister.records
        assert not held.keys() & open_.keys()
        assert held.keys() | open_.keys() == records.tasks.keys()
        assert set(self.resolver.dependencies.graph.numbers()) == set(records.tasks)
        for number, task in records.tasks.items():
            self._check_task(task, (held.get(number) or open_[number]))
        loaded = self.store.load()
        assert {t.number: (t.status, t.revision) for t in loaded.tasks} == {
            n: (t.status, t.revision) for n, t in records.tasks.items()
        }
        assert loaded.finished == {s: records.counts[s] for s in FINISHED}
        assert loaded.sequence == records.sequence
        self._check_lanes()
        self._check_limits()
        self._check_events()
        self.resolver.dependencies.graph.check()

    def _check_events(self) -> None:
        """Whoever listens knows the status of every task."""
        assert self.out_of_order == []
        told = {n: t.status for n, t in self.events.items() if not t.status.finished}
        assert told == {n: t.status for n, t in self.persister.records.tasks.items()}

    def _check_limits(self) -> None:
        """What limits count is what runs, and no claim waits beside a task that may start."""
        holdings, leasing = self.prioritizer.holdings, self.prioritizer.leasing
        running = [task for task in holdings.tasks.values() if task.status is Status.RUNNING]
        live = Counter(("agent_type", task.agent_type) for task in running)
        live.update(("limit_key", task.limit_key) for task in running if task.limit_key)
        assert {scope: len(numbers) for scope, numbers in holdings.limits._live.items()} == live
        saved = {limit.scope: limit for limit in self.store.load().limits}
        assert saved == holdings.limits._limits
        is_open = leasing.is_open(self.now)
        may_start = [
            task
            for task in holdings.tasks.values()
            if task.status is Status.READY
            and (is_open is None or is_open(task.agent_type, task.limit_key))
        ]
        assert holdings.queue.has_turn(None, is_open) == bool(may_start)
        assert not may_start or not len(leasing._waiting)

    def _check_lanes(self) -> None:
        records = self.persister.records
        counted = Counter((task.agent_type, task.status) for task in records.tasks.values())
        counts = records.lanes.counts
        assert {(lane, s): c for lane in counts for s, c in counts[lane].items()} == counted
        running = {n for n, task in records.tasks.items() if task.status is Status.RUNNING}
        assert records.lanes.running == running

    def _check_task(self, recorded: Task, held: Task) -> None:
        assert (recorded.revision, recorded.status) == (held.revision, held.status)
        waits = bool(self.resolver.dependencies.graph.open_prerequisites(recorded.number))
        assert waits == (recorded.status is Status.BLOCKED)
        assert (recorded.status is Status.RUNNING) == (recorded.holder is not None)
        assert (recorded.number in self.prioritizer.holdings.queue) == (
            recorded.status is Status.READY
        )
