"""Where the time of a task goes: from actor to actor, without loops, clients and Trio.

The handlers run in drains, as their loops run them: all commands of a turn, then what follows.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from statistics import median
from typing import Any, TypeVar, cast

from actors import commands as c
from actors import messages as m
from actors.entropy import Entropy
from actors.gate import Gate
from actors.ingest import Ingest
from actors.loops import Actor
from actors.messages import Post, To
from actors.persister import Persister
from actors.prioritizer import Prioritizer
from actors.reply import Reply
from actors.resolver import Resolver
from benchmarks.pipeline import enqueue
from benchmarks.showing import Table
from benchmarks.workload import Bench, linked_specs, open_specs
from persistence.sqlite import open_sqlite
from persistence.store import Batch, Store
from scheduler import Claim
from scheduler import arguments as check
from tests.support.stores import WrappedStore

T = TypeVar("T")
Seconds = dict[str, float]  # by stage

STAGES = ("checks", "ingest", "resolver", "prioritizer", "persister", "SQL", "commit")
CLIENTS = 64


class Stopwatch(WrappedStore):
    """Notes what the store takes of the persister's time."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.writing = self.committing = 0.0

    def write(self, batch: Batch) -> Iterator[None]:
        began = time.perf_counter()
        for _ in super().write(batch):
            pass
        self.writing += time.perf_counter() - began
        return iter(())

    def commit(self) -> None:
        began = time.perf_counter()
        super().commit()
        self.committing += time.perf_counter() - began


class Drains:
    """The four actors on a file; `seconds` is what each stage has taken since it was cleared."""

    def __init__(self, path: str) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._store = Stopwatch(open_sqlite(path, durability="committed"))
        persister = Persister(self._store, Gate(1_000_000), lambda: 0.0)
        resolver = Resolver()
        self._actors: dict[To, Actor] = {
            To.INGEST: Ingest(Entropy()),
            To.RESOLVER: resolver,
            To.PRIORITIZER: Prioritizer(random.Random(0).getrandbits),
            To.PERSISTER: persister,
        }
        persister.load(time.time())

    def ask(self, command: Callable[[], Sequence[Any]]) -> list[Any]:
        """Make commands, handle all in one drain, and return their answers."""
        began = time.perf_counter()
        commands = command()
        self.seconds["checks"] += time.perf_counter() - began
        boxes: dict[To, list[Any]] = {To.INGEST: list(commands)}
        while boxes:
            to = next(iter(boxes))
            for receiver, message in self._drain(to, boxes.pop(to)):
                boxes.setdefault(receiver, []).append(message)
        return [_answer(command.reply) for command in commands]

    def _drain(self, to: To, messages: list[Any]) -> list[Post]:
        if to is To.WRITER:
            return [cast("Post", (To.PERSISTER, self._write(job))) for job in messages]
        actor, now = self._actors[to], time.time()
        before = self._store.writing, self._store.committing
        began = time.perf_counter()
        posts = [post for message in messages for post in actor.handle(message, now)]
        posts += actor.after(now)
        seconds = time.perf_counter() - began
        writing, committing = self._store.writing - before[0], self._store.committing - before[1]
        self.seconds[to.name.lower()] += seconds - writing - committing
        self.seconds["SQL"] += writing
        self.seconds["commit"] += committing
        return posts

    def _write(self, job: m.WriterMessage) -> m.Report:
        if not isinstance(job, m.Write):
            self._store.checkpoint()
            return m.Checkpointed()
        before = self._store.writing, self._store.committing
        for _ in self._store.write(job.batch):
            pass
        self._store.commit()
        self.seconds["SQL"] += self._store.writing - before[0]
        self.seconds["commit"] += self._store.committing - before[1]
        return m.Written(job.batch, 0.0)

    def close(self) -> None:
        self._store.close()


def _answer(reply: Reply[T]) -> T:
    waiting = reply.wait()
    try:
        waiting.send(None)
    except StopIteration as answered:
        return cast("T", answered.value)
    raise AssertionError("the command has no answer")


def figures(bench: Bench) -> Iterator[Table]:
    """The medians of many drains, in microseconds a task."""
    rounds = bench.pick(60, 5)
    with closing(Drains(bench.new())) as drains:
        lives = [_lives(drains, CLIENTS) for _ in range(rounds)]
        lone = [_lives(drains, 1) for _ in range(rounds * 10)]
    with closing(Drains(bench.new())) as drains:
        batches = [_batch(drains) for _ in range(rounds)]
    yield Table(
        "stages",
        "Where the time of a task goes, in microseconds a task",
        ("work", *STAGES, "together"),
        (
            _row("enqueue_many, batch of 1,000, chains of ten", batches),
            *(_row(f"{name}, 64 clients", [life[name] for life in lives]) for name in lives[0]),
            *(_row(f"{name}, 1 client", [life[name] for life in lone]) for name in lone[0]),
        ),
        "Handlers and SQLite alone, `committed`. Trio, the handle and the client come on top.",
    )


def _batch(drains: Drains) -> Seconds:
    specs = linked_specs(1_000)
    drains.seconds.clear()
    drains.ask(lambda: [enqueue(specs)])
    return {stage: seconds / len(specs) for stage, seconds in drains.seconds.items()}


def _lives(drains: Drains, clients: int) -> dict[str, Seconds]:
    """What each step takes for tasks that so many clients bring, claim and complete at once."""
    specs = open_specs(clients)
    taken: dict[str, Seconds] = {}

    def step(name: str, commands: Callable[[], Sequence[Any]]) -> list[Any]:
        drains.seconds.clear()
        answers = drains.ask(commands)
        taken[name] = {stage: seconds / clients for stage, seconds in drains.seconds.items()}
        return answers

    step("enqueue", lambda: [enqueue([spec]) for spec in specs])
    claims = [claim for (claim,) in step("claim", lambda: [_claim() for _ in specs])]
    step("complete", lambda: [_completion(claim) for claim in claims])
    return taken


def _claim() -> c.ClaimReady:
    check.name("holder", "worker")
    return c.ClaimReady("worker", None, 1, 300.0, 0.0, Reply())


def _completion(claim: Claim) -> c.Complete:
    return c.Complete((check.completion(claim, {"ok": True}),), Reply())


def _row(work: str, taken: Sequence[Seconds]) -> tuple[str, ...]:
    medians = [median(seconds.get(stage, 0.0) for seconds in taken) * 1e6 for stage in STAGES]
    return (work, *(f"{value:.1f}" for value in (*medians, sum(medians))))
