"""The persister: keeps the record, writes it behind, and answers when it is safe.

Holds the latest value of every unfinished task, the change sequence, the changes that are not
saved yet and, alone among the actors, the store. Hears everything that changed from the
prioritizer, and questions from ingest. Small batches it saves itself, inline, as long as the
disk is fast; larger or slower ones it gives to the writer (see docs/durability.md for why).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors.answers import Answers
from actors.gate import Gate
from actors.happenings import happenings, troubles
from actors.messages import Post, To
from actors.observer import Observer
from actors.patience import PATIENCE, Pending, give_up
from actors.receipts import receipt_of
from actors.records import Records
from persistence.store import Batch, Durability, Loaded, Store
from scheduler.domain.errors import StoreUnavailable
from scheduler.domain.events import Committed, Event, StoreDown, StoreUp

INLINE_ROWS = 256  # about 2 ms of writing
INLINE_COMMIT = 0.0015  # seconds: a commit that takes longer goes to a thread
WRITE_BEHIND = 0.02  # seconds that `accepted` changes may wait for company
LAZY_WRITE = 1.0  # seconds that heartbeats may
RETRY_FIRST, RETRY_CAP = 0.1, 2.0  # seconds between attempts to write to a failing store
CHECKPOINT_PAGES = 2_000
LOOK_AT_LOG_EVERY = 16  # commits: a look costs 9 us
PRUNE_FIRST, PRUNE_EVERY = 60.0, 3_600.0  # seconds after the start, and from then on
RETRY_TAKES = 5.0  # seconds from the look-up of a retry to its record, at the most
SMOOTHING = 0.2


class Persister:
    """See the module. `timer` measures commits in seconds; `retention` is in seconds."""

    def __init__(
        self,
        store: Store,
        gate: Gate,
        timer: Callable[[], float],
        durability: Durability = "synced",
        retention: float = 30 * 86_400.0,
        observer: Observer | None = None,
    ) -> None:
        self.records = Records()
        self._observer = observer or Observer(timer)
        self._untold: list[Event] = []  # of what is unsaved
        self._untold_in_flight: list[Event] = []
        self._store = store
        self._gate = gate
        self._timer = timer
        self._eager = durability != "accepted"
        self._retention = retention
        self._unsaved = Batch()
        self._waiting: list[Pending] = []  # for what is unsaved
        self._in_flight: Batch | None = None
        self._waiting_in_flight: list[Pending] = []
        self._store_is_busy = False
        self._answers = Answers(self.records, store, lambda: self.unsaved)
        self._commit_cost = 0.0
        self._commits = 0
        self._write_at = inf
        self._down_since: float | None = None
        self._retry_delay = RETRY_FIRST
        self._error: StoreUnavailable | None = None
        self._prune_at = inf
        self._pruned_up_to = 0
        self._reopened = False  # a task is unsaved that on record has finished

    def load(self, now: float) -> Loaded:
        """Read what the store holds; before anything else."""
        self._prune_at = now + PRUNE_FIRST
        loaded = self._store.load()
        self.records.load(loaded)
        return loaded

    # ------------------------------------------------------------- messages

    def handle(self, message: m.PersisterMessage, now: float) -> list[Post]:
        match message:
            case m.Changed():
                return self._changed(message, now)
            case m.Touched(tasks):
                for task in tasks:
                    if self.records.touch(task):
                        self._unsaved.touch(task)
                        self._write_at = min(self._write_at, now + LAZY_WRITE)
                return []
            case m.Written():
                return self._written(message, now)
            case m.WriteFailed():
                return self._write_failed(message, now)
            case m.Checkpointed():
                self._store_is_busy = False
                return []
            case m.PruneEnded(pruned):
                self._store_is_busy = False
                self._pruned_up_to = 0 if pruned is None else pruned.last
                self._prune_at = now if self._pruned_up_to else now + PRUNE_EVERY
                if pruned is not None:
                    self.records.forget(pruned.removed, pruned.sequence)
                return []
            case c.Flush():
                self._write_soon(now)
                self._waiting.append(Pending(message, now))
                return []
            case m.Closing():
                self._answers.close()
                self._waiting.append(Pending(message, now))
                self._write_soon(now)
                return []
            case _:
                return self._asked(message, now)

    def _asked(self, question: m.Question, now: float) -> list[Post]:
        """A question is answered from what was recorded up to now, once that is saved."""
        if isinstance(question, c.ReadChanges) and question.since is None:
            question = replace(question, since=self.records.sequence)
        if isinstance(question, m.FindFallen):
            self._prune_at = max(self._prune_at, now + RETRY_TAKES)  # what it finds must stay
        if not self._eager and (posts := self._answers.from_memory(question, now)) is not None:
            return posts
        if (
            self._down_since is not None
            and not self._store_is_busy
            and (posts := self._answers.as_far_as_saved(question, self._hidden(), now)) is not None
        ):
            return posts
        self._write_soon(now)
        self._waiting.append(Pending(question, now))
        return []

    def _hidden(self) -> Batch:
        """What no reader may see yet; in accepted mode whoever made a change counts on it."""
        return self._unsaved if self._eager else Batch()

    def _changed(self, message: m.Changed, now: float) -> list[Post]:
        record, unsaved = self.records.record, self._unsaved
        if self._observer.hears_all:
            self._untold += happenings(message, self.records.tasks, now)
        elif message.attempts:
            self._untold += troubles(message, self.records.tasks, now)
        for task in message.new:
            unsaved.insert(task, record(task))
        for task in message.moved:
            unsaved.move(task, record(task, message.reopened.get(task.number)))
        for task in message.rewritten:
            unsaved.rewrite(task, record(task))
        self._reopened = self._reopened or bool(message.reopened)
        unsaved.attempts += message.attempts
        unsaved.durations.update(message.durations)
        for limit in message.limits:
            unsaved.limits[limit.scope] = limit
        unsaved.schedules.update(message.schedules)
        if message.paused:
            unsaved.paused.update(message.paused)
            self.records.set_paused(message.paused)
        if message.new or message.moved or message.rewritten or message.paused:
            unsaved.sequence = self.records.sequence
        for answer in message.answers:
            if answer.reply.request is not None:
                unsaved.receipts[answer.reply.request] = receipt_of(answer)
        posts: list[Post] = [(To.INGEST, m.KeysSettled(message.keys))] if message.keys else []
        return posts + self._promise(message.answers, now)

    def _promise(self, answers: Sequence[m.Answer], now: float) -> list[Post]:
        """Answer when the change is saved or, in accepted mode, at once while few are unsaved."""
        if self._eager or self._gate.over(self.unsaved):
            self._write_soon(now)
            self._waiting += [Pending(answer, now) for answer in answers]
            return []
        self._write_at = min(self._write_at, now + WRITE_BEHIND)
        posts: list[Post] = []
        for answer in answers:
            served = self._answers.from_memory(answer, now)
            if served is None:
                self._write_soon(now)
                self._waiting.append(Pending(answer, now))
            else:
                posts += served
        return posts

    def _write_soon(self, now: float) -> None:
        if self._down_since is None:  # a failing store is tried again at its own pace
            self._write_at = now

    # ------------------------------------------------------------- saving

    def due(self) -> float:
        patience_ends = self._patience_ends()
        if self._store_is_busy:
            return patience_ends  # or the writer reports before
        return min(self._write_at, self._prune_at, self._answers.due(), patience_ends)

    def _patience_ends(self) -> float:
        """When the first of those who wait has waited long enough."""
        for waiting in (self._waiting_in_flight, self._waiting):  # the older ones first
            if waiting:
                return waiting[0].since + PATIENCE
        return inf

    def after(self, now: float) -> list[Post]:
        posts: list[Post] = []
        if not self._store_is_busy:
            self._answers.take_ended(self._hidden(), now)
        if self._patience_ends() <= now:
            posts += self._give_up_waiting(now)
        if not self._store_is_busy and self._write_at <= now:
            posts += self._save(now)
        if not self._store_is_busy and self._prune_at <= now:
            posts += self._prune(now)
        self._gate.level(self.unsaved, store_is_down=self._down_since is not None)
        return posts

    @property
    def location(self) -> str:
        """Where the store is."""
        return self._store.location

    def announce(self, address: str | None) -> None:
        """Tell other processes at which socket they are served."""
        self._store.announce(address)

    @property
    def trouble(self) -> str | None:
        """What the store said when it last failed; None while all is well."""
        return None if self._error is None else self._error.message

    @property
    def unsaved(self) -> int:
        """How many changes are not saved yet."""
        return len(self._unsaved) + (0 if self._in_flight is None else len(self._in_flight))

    def _save(self, now: float) -> list[Post]:
        """Save all that is unsaved in one commit, then answer those who wait for it."""
        batch = self._in_flight = self._unsaved
        self._unsaved, self._reopened = Batch(), False
        self._waiting_in_flight, self._waiting = self._waiting, []
        self._untold_in_flight, self._untold = self._untold, []
        self._write_at = inf
        if batch.sequence is not None:
            batch.finished = self.records.finished_unsaved(batch.finished)
        if len(batch) > INLINE_ROWS or (batch and self._commit_cost > INLINE_COMMIT):
            self._store_is_busy = True
            return [(To.WRITER, m.Write(batch))]
        return self._save_inline(batch, now)

    def _save_inline(self, batch: Batch, now: float) -> list[Post]:
        try:
            seconds = 0.0
            if batch:
                for _ in self._store.write(batch):
                    pass
                before = self._timer()
                self._store.commit()
                seconds = self._timer() - before
        except StoreUnavailable as error:
            self._store.rollback()
            return self._write_failed(m.WriteFailed(batch, error), now)
        return self._written(m.Written(batch, seconds), now)

    def _written(self, message: m.Written, now: float) -> list[Post]:
        self._in_flight = None
        self._store_is_busy = False
        if message.batch:
            self._commit_cost += SMOOTHING * (message.seconds - self._commit_cost)
        waiting, self._waiting_in_flight = self._waiting_in_flight, []
        posts: list[Post] = []
        if message.batch.sequence is not None:
            self.records.saved(message.batch.finished, message.batch.sequence)
        if self._down_since is not None:
            self._down_since, self._retry_delay, self._error = None, RETRY_FIRST, None
            posts.append((To.PRIORITIZER, m.StoreUp()))
            self._untold_in_flight.insert(0, StoreUp(now))
        posts += self._tell(message, now)
        if message.batch.schedules:
            posts.append((To.INGEST, m.SchedulesSaved(message.batch.schedules)))
        posts += self._answers.saved(message.batch, waiting, self._unsaved, now)
        self._commits += 1
        if self._commits % LOOK_AT_LOG_EVERY == 0 and self._store.wal_pages() > CHECKPOINT_PAGES:
            posts += self._tidy(m.Checkpoint())
        elif self._prune_at <= now:  # its turn, also where the next save waits already
            posts += self._prune(now)
        return posts

    def _tell(self, message: m.Written, now: float) -> list[Post]:
        """Tell those who listen what this commit holds."""
        events, self._untold_in_flight = self._untold_in_flight, []
        if message.batch and self._observer.hears_all:
            rows, sequence = len(message.batch), self.records.saved_sequence
            events.append(Committed(now, rows, message.seconds, sequence))
        return [(To.OBSERVER, m.Happened(events))] if events else []

    def _prune(self, now: float) -> list[Post]:
        """A step of pruning, unless a task that is to be pruned may have been re-opened."""
        if self._reopened:
            self._prune_at = now + RETRY_TAKES
            return []
        return self._tidy(m.Prune(now - self._retention, self._pruned_up_to))

    def _tidy(self, message: m.Prune | m.Checkpoint) -> list[Post]:
        self._store_is_busy = True
        self._prune_at = inf if isinstance(message, m.Prune) else self._prune_at
        return [(To.WRITER, message)]

    # ------------------------------------------------------------- a store that fails

    def _write_failed(self, message: m.WriteFailed, now: float) -> list[Post]:
        """Nothing is lost: all of it is written again, with what came since, a moment later."""
        message.batch.absorb(self._unsaved)
        self._unsaved, self._in_flight = message.batch, None
        self._reopened = True  # perhaps
        self._waiting = self._waiting_in_flight + self._waiting
        self._waiting_in_flight = []
        self._untold = self._untold_in_flight + self._untold
        self._untold_in_flight = []
        self._store_is_busy = False
        self._error = message.error
        self._write_at = now + self._retry_delay
        self._retry_delay = min(self._retry_delay * 2, RETRY_CAP)
        posts = self._let_readers_go(now)
        if self._down_since is not None:
            return posts
        self._down_since = now
        trouble = m.Happened([StoreDown(now, message.error.message)])
        return [*posts, (To.PRIORITIZER, m.StoreDown()), (To.OBSERVER, trouble)]

    def _let_readers_go(self, now: float) -> list[Post]:
        """Whoever only reads, and was in line, hears what is saved; the others wait on."""
        waiting, self._waiting = self._waiting, []
        posts: list[Post] = []
        for pending in waiting:
            served = self._answers.as_far_as_saved(pending.what, self._hidden(), now)
            if served is None:
                self._waiting.append(pending)
            else:
                posts += served
        return posts

    def _give_up_waiting(self, now: float) -> list[Post]:
        """Whoever has waited long for a store that fails, or hangs, hears so."""
        reason = "a commit takes long" if self._error is None else self._error.message
        self._waiting_in_flight, posts = give_up(self._waiting_in_flight, reason, now)
        self._waiting, more = give_up(self._waiting, reason, now)
        return posts + more
