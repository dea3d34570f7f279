"""Files with many tasks, written as the store writes them but without the scheduler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from itertools import islice

from persistence import statements as sql
from persistence.opening import connect, prepare_file
from persistence.rows import edge_rows, whole_row
from scheduler import Task
from scheduler.domain.task import FINISHED

BATCH = 10_000  # rows a transaction


def fill(path: str, tasks: Iterable[Task]) -> None:
    """Make a file that holds these tasks, the n-th with sequence n, and the counters of them."""
    prepare_file(path)
    waiting = iter(enumerate(tasks, 1))
    finished: Counter[str] = Counter(dict.fromkeys(map(str, FINISHED), 0))
    with closing(connect(path, "committed", None)) as connection:
        while batch := list(islice(waiting, BATCH)):
            connection.execute(sql.BEGIN)
            rows = [whole_row(task, sequence) for sequence, task in batch]
            connection.executemany(sql.PUT_TASK, rows)
            edges = [row for _, task in batch for row in edge_rows(task)]
            connection.executemany(sql.PUT_EDGE, edges)
            finished.update(str(task.status) for _, task in batch if task.status in FINISHED)
            connection.executemany(sql.PUT_COUNTER, list(finished.items()))
            connection.execute(sql.COMMIT)
            connection.execute(sql.CHECKPOINT).fetchall()
