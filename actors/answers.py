"""How the persister answers: promises, once the change behind them is saved, and questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors import commands as c
from actors import messages as m
from actors import refusals
from actors.lookups import look_up
from actors.messages import Post
from actors.patience import Item, Pending, refuse, take_back
from actors.reading import Reading
from actors.receipts import answer_again
from actors.records import Records
from actors.watching import Watching
from persistence.store import Batch, Store
from scheduler.domain.errors import SchedulerError
from scheduler.domain.task import FINISHED

NOTHING = Batch()
READS = (
    c.Get
    | c.GetDetails
    | c.ListTasks
    | c.GetQueueStatus
    | c.WhyIdle
    | c.Wait
    | c.ReadChanges
    | c.Explain
    | m.Explaining
    | m.FindGroup
)


class Answers:
    """See the module. Knows who waits for which task to finish, and for anything to change."""

    def __init__(self, records: Records, store: Store, unsaved: Callable[[], int]) -> None:
        self._records = records
        self._store = store
        self._unsaved = unsaved
        self._watching = Watching()
        self._closing = False

    def saved(
        self, batch: Batch, waiting: Sequence[Pending], newer: Batch, now: float
    ) -> list[Post]:
        """A batch is saved: serve those who waited for it; `newer` is what is not saved yet."""
        reading = self._reading(newer)
        posts: list[Post] = []
        for pending in waiting:
            what = pending.what
            if isinstance(what, m.Value):  # as most are
                what.reply.answer(what.value)
            else:
                posts += self._serve(what, reading, now)
        if batch.sequence is not None and self._watching:
            self._notify(batch, reading, now)
        return posts

    def _reading(self, newer: Batch) -> Reading:
        return Reading(self._records, self._store, newer, self._unsaved)

    def from_memory(self, what: Item, now: float) -> list[Post] | None:
        """Serve what needs no disk; None if it does."""
        match what:
            case m.Value(reply, value):
                reply.answer(value)
                return []
            case c.GetQueueStatus() | c.WhyIdle():
                pass
            case m.Granted(tasks=tasks) if not any(t.requires or t.follows for t in tasks):
                pass
            case m.Finished(outcomes=outcomes) if c.Finish not in map(type, outcomes):
                pass
            case c.Get(number) if number in self._records.tasks:
                pass
            case _:
                return None
        return self._serve(what, self._reading(NOTHING), now)

    def as_far_as_saved(self, what: Item, newer: Batch, now: float) -> list[Post] | None:
        """While the store cannot be written: what a reader may hear, which `newer` is not."""
        if isinstance(what, READS):
            return self._serve(what, self._reading(newer), now)
        return None

    def _serve(self, what: Item, reading: Reading, now: float) -> list[Post]:
        try:
            return self._answer(what, reading, now)
        except SchedulerError as error:
            return refuse(what, error)

    def _answer(self, what: Item, reading: Reading, now: float) -> list[Post]:
        match what:
            case m.Value(reply, value):
                reply.answer(value)
            case m.Granted():
                if not what.reply.answer(reading.claims(what.tasks)):
                    return [take_back(what)]
            case m.Finished():
                what.reply.answer([reading.outcome(outcome) for outcome in what.outcomes])
            case c.Flush():
                what.reply.answer(None)
            case m.Closing():
                for watcher in self._watching.take_all():
                    self._answer_ended(watcher, reading)
            case m.NotHeld(number, wish, reply):
                reply.refuse(refusals.not_held(reading.task(number), number, wish))
            case c.Wait():
                self._wait(what, reading, now)
            case c.ReadChanges():
                self._read_changes(what, reading, now)
            case m.FindKeys() | m.LookUp() | m.FindFallen() | m.FindGroup():
                return look_up(what, self._records, self._store)
            case m.Again():
                return answer_again(what, reading, self._store)
            case _:
                reading.answer(what)
        return []

    # ------------------------------------------------------------- those who wait for change

    def _wait(self, wait: c.Wait, reading: Reading, now: float) -> None:
        tasks = [reading.existing(number) for number in wait.numbers]
        unfinished = [task.number for task in tasks if not task.status.finished]
        if unfinished and wait.seconds > 0 and not self._closing:
            self._watching.wait(wait, unfinished, now)
        else:
            wait.reply.answer(tasks)

    def _read_changes(self, reader: c.ReadChanges, reading: Reading, now: float) -> None:
        """Answer a reader at a change: of tasks, or without any if it was that of a lane."""
        since = _since(reader)
        changes = reading.changes(since, reader.limit)
        reached = changes[-1].sequence if changes else max(since, self._records.saved_sequence)
        if reached > since or reader.seconds <= 0 or self._closing:
            reader.reply.answer((changes, reached))
        else:
            self._watching.read(reader, now)

    def _notify(self, batch: Batch, reading: Reading, now: float) -> None:
        """Serve those who waited for what this batch changed."""
        watching = self._watching
        if watching.waits:
            rows = (*batch.moved.values(), *batch.inserted.values(), *batch.rewritten.values())
            for wait in watching.finished(t.number for t in rows if t.status in FINISHED):
                self._answer_ended(wait, reading)
        for reader in watching.take_readers():
            self._serve(reader, reading, now)

    def due(self) -> float:
        """When the first of them has waited long enough."""
        return self._watching.due()

    def take_ended(self, newer: Batch, now: float) -> None:
        """Serve those who have waited long enough with what there is."""
        for watcher in self._watching.take_ended(now):
            self._answer_ended(watcher, self._reading(newer))

    def close(self) -> None:
        """Let nobody wait any more."""
        self._closing = True

    def _answer_ended(self, watcher: c.Wait | c.ReadChanges, reading: Reading) -> None:
        """Whoever waited in vain gets what there is."""
        if isinstance(watcher, c.ReadChanges):
            watcher.reply.answer(([], _since(watcher)))
            return
        try:
            found = reading.tasks(watcher.numbers)
            watcher.reply.answer([found[n] for n in watcher.numbers if n in found])
        except SchedulerError as error:
            watcher.reply.refuse(error)


def _since(reader: c.ReadChanges) -> int:
    assert reader.since is not None  # set when the persister took the question in
    return reader.since
