"""Questions to the queue that take several calls."""

from __future__ import annotations

from typing import Any

from scheduler.handle import Handle

RECENT = 500  # tasks whose names are told as known


async def any_task(scheduler: Handle, **where: Any) -> bool:
    """Whether there is a task like this on record; `where` as for `list`."""
    cursor, more = None, True
    while more:  # a page may be empty: it is bounded by the tasks that were looked at, too
        page = await scheduler.list(limit=1, cursor=cursor, **where)
        if page.tasks:
            return True
        cursor, more = page.cursor, page.has_more
    return False


async def known(scheduler: Handle, field: str) -> list[str]:
    """What the newest tasks have in this field."""
    page = await scheduler.list(limit=RECENT)
    return sorted({value for task in page.tasks if (value := getattr(task, field)) is not None})
