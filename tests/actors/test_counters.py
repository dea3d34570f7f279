"""What the persister tells its store of how many tasks have finished."""

from __future__ import annotations

from actors import messages as m
from actors.gate import Gate
from actors.persister import Persister
from persistence.memory import MemoryStore
from scheduler.domain.errors import StoreUnavailable
from scheduler.domain.task import Status
from tests.domain.making import make_task
from tests.support.stores import WrappedStore


class DoubtfulStore(WrappedStore):
    """Carries a commit out, but says that it failed while `failing`."""

    failing = False

    def commit(self) -> None:
        super().commit()
        if self.failing:
            raise StoreUnavailable("the disk is out on purpose", outcome="unknown")


def test_a_counter_that_came_back_is_told_after_a_doubtful_commit() -> None:
    """A commit says that two have failed, and fails itself; then one of the two is re-opened."""
    store = DoubtfulStore(MemoryStore())
    persister = Persister(store, Gate(1_000), lambda: 0.0)
    persister.load(0.0)
    one, two = (make_task(number, status=Status.FAILED) for number in (1, 2))
    persister.handle(m.Changed(new=[one]), 1.0)
    persister.after(1.0)
    persister.handle(m.Changed(new=[make_task(2)]), 2.0)
    persister.after(2.0)

    store.failing = True
    persister.handle(m.Changed(moved=[two]), 3.0)
    persister.after(3.0)
    assert store.load().finished[Status.FAILED] == 2

    store.failing = False
    reopened = m.Changed(moved=[make_task(1)], reopened={1: Status.FAILED})
    persister.handle(reopened, 3.0)
    persister.after(100.0)
    assert persister.unsaved == 0
    assert store.load().finished[Status.FAILED] == 1
