"""The actors without loops, mail and threads: handler after handler, in the order of the mail.

What is measured here is the work of the handlers alone. It is how the scheduler itself runs a
command that comes alone (see `actors/loops.py`).
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from actors import commands as c
from actors import messages as m
from actors.gate import Gate
from actors.ingest import Ingest
from actors.loops import Actor
from actors.messages import Post, To
from actors.persister import Persister
from actors.prioritizer import Prioritizer
from actors.reply import Reply
from actors.resolver import Resolver
from actors.system import Asking
from persistence.store import Store
from scheduler import TaskSpec
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked_all

T = TypeVar("T")
ROOM = 2_000_000  # unfinished tasks; what is measured may go over the usual bound


def enqueue(specs: Sequence[TaskSpec]) -> c.Enqueue:
    """The command, with its specs proved as the handle does it."""
    return c.Enqueue(checked_all(specs, SOURCE_SCORES), Reply())


class Pipeline:
    """All four actors on a store or, without one, all but the persister.

    Without a store, what is for the persister is dropped, and nobody is answered.
    """

    def __init__(self, store: Store | None = None, seed: int = 0) -> None:
        bits = random.Random(seed).getrandbits
        self.ingest = Ingest(bits)
        self.resolver = Resolver(max_unfinished=ROOM)
        self.prioritizer = Prioritizer(bits)
        self._actors: dict[To, Actor] = {
            To.INGEST: self.ingest,
            To.RESOLVER: self.resolver,
            To.PRIORITIZER: self.prioritizer,
        }
        self._store = store
        if store is not None:
            persister = Persister(store, Gate(1_000_000), time.perf_counter)
            self._actors[To.PERSISTER] = persister
            loaded = persister.load(time.time())
            self.ingest.ids.not_before(loaded.largest)
            self.send(To.RESOLVER, m.Recover(loaded, Reply()))

    def ask(self, command: Asking[T]) -> T:
        """Send a command to ingest; its answer."""
        self.send(To.INGEST, command)
        waiting = command.reply.wait()
        try:
            waiting.send(None)
        except StopIteration as answered:
            return cast("T", answered.value)
        raise AssertionError("the command has no answer")

    def send(self, to: To, message: Any) -> None:
        """Handle a message and all that follows from it."""
        waiting: deque[Post] = deque([cast("Post", (to, message))])
        now = time.time()
        while waiting:
            to, message = waiting.popleft()
            if to is To.WRITER:
                waiting.append((To.PERSISTER, self._write(message)))
            elif (actor := self._actors.get(to)) is not None:
                waiting += actor.handle(message, now)
                waiting += actor.after(now)

    def _write(self, job: m.WriterMessage) -> m.Report:
        """Do the writer's job on the spot."""
        assert self._store is not None
        if not isinstance(job, m.Write):
            self._store.checkpoint()
            return m.Checkpointed()
        for _ in self._store.write(job.batch):
            pass
        before = time.perf_counter()
        self._store.commit()
        return m.Written(job.batch, time.perf_counter() - before)
