"""What an agent did, one JSON line an event, written before anybody can kill it for having done it.

Times are of the monotonic clock, which all processes of the machine share.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Event(NamedTuple):
    """A call about one task: `heard` and `outcome` are None until it was answered."""

    agent: str  # with the number of its life
    call: str  # claim, heartbeat, complete or release
    task: str
    token: str
    sent: float
    heard: float | None = None
    outcome: str | None = None  # "ok", or the code of the error
    lease: float = 0.0  # seconds, of a claim
    results: dict[str, Any] | None = None  # of a claim: what its prerequisites gave


class Journal:
    """Appends to a file of its own: what was written stays when the writer is killed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, *events: Event) -> None:
        """Put them down, all or (if it is killed now) a part that can be told."""
        text = "".join(json.dumps(event) + "\n" for event in events)
        os.write(self._file, text.encode())


def read(paths: Iterable[Path]) -> Iterator[Event]:
    """All that was put down; the last line of each may be cut off."""
    for path in paths:
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield Event(*json.loads(line))
