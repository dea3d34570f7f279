"""When the persister lets old tasks be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from actors import messages as m
from actors.gate import Gate
from actors.messages import To
from actors.persister import PRUNE_FIRST, Persister
from persistence.memory import MemoryStore
from persistence.store import Pruned
from scheduler.domain.task import Status
from tests.domain.making import make_task

DUE = PRUNE_FIRST + 1
numbers = count(1)


def new() -> m.Changed:
    return m.Changed(new=[make_task(next(numbers))])


def reopened() -> m.Changed:
    number = next(numbers)
    return m.Changed(moved=[make_task(number)], reopened={number: Status.FAILED})


def on_a_slow_disk() -> Persister:
    """A persister that has seen a commit of one second, and lets the writer do the next ones."""
    persister = Persister(MemoryStore(), Gate(1_000), count(0.0).__next__)
    persister.load(0.0)
    persister.handle(new(), 0.0)
    persister.after(0.0)
    return persister


def jobs(change: Callable[[], m.Changed], times: int, at: float) -> list[type[m.WriterMessage]]:
    """What a new persister asks of the writer while a change comes during each of its jobs."""
    persister = on_a_slow_disk()
    done: list[type[m.WriterMessage]] = []
    persister.handle(change(), at)
    posts = persister.after(at)
    while len(done) < times:
        [job] = [message for to, message in posts if to is To.WRITER]
        report: m.Report = m.PruneEnded(Pruned(1, {}, 0))  # there is always more
        if isinstance(job, m.Write):
            report = m.Written(job.batch, 1.0)
        persister.handle(change(), at)
        posts = persister.handle(report, at) + persister.after(at)
        assert isinstance(job, m.Write | m.Prune | m.Checkpoint)
        done.append(type(job))
    return done


def test_saving_and_pruning_take_turns_where_something_is_always_unsaved() -> None:
    """Neither waits for the other for ever, on a disk that is never idle."""
    assert set(jobs(new, 5, 1.0)) == {m.Write}
    done = jobs(new, 20, DUE)
    assert done.count(m.Prune) == done.count(m.Write) == 10


def test_nothing_is_pruned_while_what_was_reopened_is_unsaved() -> None:
    """On record it is still finished, and old enough to be forgotten."""
    assert set(jobs(reopened, 5, DUE)) == {m.Write}
