"""A page of tasks: which of the store's orders it is cut from, and where the next one begins.

A filter names what lies together in an index (a status, a group) and what does not (a source, an
agent type). The page is cut from the smallest such range, of which it looks at some hundred rows at
the most: what is left out of the index is asked of the row itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from persistence import statements as sql
from persistence.rows import Row
from persistence.store import PAGE_EXAMINES, PAGE_LOOKS_UP, Filter
from scheduler.domain.ids import LARGEST
from scheduler.domain.task import Status

Values = Mapping[str, Any]
Read = Callable[[str, Values], list[Row]]


def listed(
    read: Read, where: Filter, below: int | None, limit: int
) -> tuple[list[int], int | None]:
    """The numbers on a page, falling, and the one below which the next page begins, if any.

    At most three short statements, however many tasks there are.
    """
    if where.statuses is not None and not where.statuses:
        return [], None
    names = windows(where)
    examined = limit + (PAGE_EXAMINES if names == ["any"] else PAGE_LOOKS_UP)
    values = values_of(where, below, limit, examined)
    window = _smallest(read, names, values)
    found = [number for (number,) in read(sql.PAGES[window], values)]
    if len(found) > limit:
        return found[:limit], found[limit - 1]
    return found, next((number for (number,) in read(sql.LASTS[window], values)), None)


def windows(where: Filter) -> list[str]:
    """The names of the windows that hold all that a filter admits; the first is the best guess."""
    names: list[str] = []
    if where.group is not None:
        names.append("group")
    if where.statuses is not None and len(where.statuses) < len(Status):
        names.append(sql.status_window(len(where.statuses)))
    return names or ["any"]


def values_of(where: Filter, below: int | None, limit: int, examined: int) -> Values:
    """The parameters of PAGES, LASTS and SIZES."""
    statuses = None if where.statuses is None else sorted(where.statuses)
    return {
        "top": LARGEST if below is None else below - 1,
        "examined": examined,
        "statuses": None if statuses is None else msgspec.json.encode(statuses).decode(),
        "source": where.source,
        "agent_type": where.agent_type,
        "group": where.group,
        "limit": limit + 1,
        **{f"status{place}": str(status) for place, status in enumerate(statuses or ())},
    }


def _smallest(read: Read, names: list[str], values: Values) -> str:
    """One whose rows below the cursor are all looked at, if there is such a one."""
    if len(names) == 1:
        return names[0]
    sizes = {name: read(sql.SIZES[name], values)[0][0] for name in names}
    return min(names, key=sizes.__getitem__)
