"""The ids nearest to one that does not exist: copied by hand or from memory, it is off a little."""

from __future__ import annotations

from scheduler.domain import ids
from scheduler.domain.errors import SchedulerError
from scheduler.domain.task import UNFINISHED
from scheduler.handle import Handle

LOOKED_AT = 100  # newest tasks, and as many newest unfinished ones
NAMED = 3


async def nearest_ids(scheduler: Handle, wrong: object) -> list[str]:
    """Up to three ids, the closest first; none if the tasks cannot be read."""
    if not isinstance(wrong, str):
        return []
    word = wrong.strip().lower()[: 2 * ids.LENGTH]
    try:
        pages = [
            await scheduler.list(limit=LOOKED_AT),
            await scheduler.list(status=UNFINISHED, limit=LOOKED_AT),
        ]
    except SchedulerError:
        return []
    known = dict.fromkeys(task.id for page in pages for task in page.tasks)
    return sorted(known, key=lambda id_: distance(word, id_))[:NAMED]


def distance(one: str, other: str) -> int:
    """How many characters must be put in, left out or changed (Levenshtein).

    >>> distance("kitten", "sitting"), distance("", "abc")
    (3, 3)
    """
    row = list(range(len(other) + 1))
    for place, char in enumerate(one, 1):
        corner, row[0] = row[0], place
        for i, match in enumerate(other, 1):
            cheapest = corner if char == match else 1 + min(corner, row[i], row[i - 1])
            corner, row[i] = row[i], cheapest
    return row[-1]
