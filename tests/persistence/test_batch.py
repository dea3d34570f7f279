"""A batch whose commit failed is written again with what came since: each task as it is now."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from persistence.store import Batch
from scheduler.domain.task import Status, Task
from tests.support.journal import make_task

Put = Callable[[Batch, Task], None]

PUTS: dict[str, Put] = {
    "inserted": lambda batch, task: batch.insert(task, task.revision),
    "moved": lambda batch, task: batch.move(task, task.revision),
    "rewritten": lambda batch, task: batch.rewrite(task, task.revision),
    "touched": lambda batch, task: batch.touch(task),
}
ROWS = tuple(PUTS)


def _rows(batch: Batch) -> dict[str, Task]:
    """Where the one task stands."""
    return {name: task for name in ROWS for task in getattr(batch, name).values()}


@pytest.mark.parametrize(
    ("older", "newer"),
    [(older, newer) for older in ROWS for newer in ROWS if older == newer or newer != "inserted"],
)
def test_a_task_stands_in_it_once_and_as_it_is_now(older: str, newer: str) -> None:
    """In the kind of row that writes all that changed."""
    before, now = make_task(1), make_task(1, Status.RUNNING, revision=2)
    failed, later = Batch(), Batch()
    PUTS[older](failed, before)
    PUTS[newer](later, now)
    failed.absorb(later)
    ((kind, task),) = _rows(failed).items()
    assert task is now
    # A row that is not in the store yet is inserted; one whose edges changed is written whole.
    order = ("inserted", "rewritten", "moved", "touched")
    assert kind == min(older, newer, key=order.index)
    assert failed.again
    if newer != "touched":
        assert failed.sequences[1] == 2


def test_everything_else_is_the_newest() -> None:
    """Counters, receipts and lanes of both; of one that is in both the later."""
    failed, later = Batch(), Batch()
    for batch, number in ((failed, 1), (later, 2)):
        batch.paused = {"both": number == 2, f"lane {number}": True}
        batch.receipts = {f"request {number}": "{}"}
        batch.finished = {Status.FAILED: number}
        batch.sequence = number
    failed.absorb(later)
    assert failed.paused == {"both": True, "lane 1": True, "lane 2": True}
    assert failed.receipts.keys() == {"request 1", "request 2"}
    assert (failed.finished, failed.sequence) == ({Status.FAILED: 2}, 2)
    failed.absorb(Batch())
    assert failed.sequence == 2
    assert failed.get(1) is None
    failed.move(replace(make_task(1), revision=3), 3)
    assert failed.get(1) is not None
