"""Shows a run: to people on a terminal, to people through a pipe, to programs."""

from __future__ import annotations

from typing import Any, Protocol

import click
import msgspec
import trio

from scheduler.cli.output import print_event
from scheduler.cli.run.progress import Tally
from scheduler.cli.run.run_texts import (
    SHOWN_FAILURES,
    failure_line,
    opening_lines,
    print_summary,
    progress_line,
)
from scheduler.cli.run.runner import Event
from scheduler.cli.run.summary import Opening, Summary

STEP = 5.0  # percent between two lines of progress
PAUSE = 10.0  # seconds between two lines of progress while the percentage stands


class Display(Protocol):
    """What a run tells: opened, then any number of happened and tick, stop, closed."""

    def opened(self, opening: Opening) -> None:
        """The tasks are in the queue."""
        ...

    def happened(self, event: Event, tally: Tally) -> None:
        """A job started or ended; the tally has it already."""
        ...

    def tick(self, tally: Tally) -> None:
        """Time has passed."""
        ...

    def stop(self) -> None:
        """Nothing more will happen, or an error is about to be printed."""
        ...

    def closed(self, summary: Summary) -> None:
        """The database is closed; this is the result."""
        ...


class JsonDisplay:
    """One JSON object a line: what happened, in the order in which it was acknowledged."""

    def opened(self, opening: Opening) -> None:
        print_event("opened", msgspec.structs.asdict(opening))

    def happened(self, event: Event, tally: Tally) -> None:
        facts: dict[str, Any] = {"ref": event.job.ref, "task_id": event.task.id}
        if event.kind == "started":
            facts["attempt"] = event.task.attempt
        else:
            facts["seconds"] = round(event.seconds, 3)
        if event.kind in ("failed", "retrying"):
            facts["error"] = event.task.error
        print_event(event.kind, facts)

    def tick(self, tally: Tally) -> None:
        pass

    def stop(self) -> None:
        pass

    def closed(self, summary: Summary) -> None:
        print_event("closed", msgspec.to_builtins(summary))


class PlainDisplay:
    """Lines of text: failures one by one, progress in steps of some percent."""

    def __init__(self) -> None:
        self._shown_percent = 0.0
        self._shown_at = 0.0
        self._failures = 0

    def opened(self, opening: Opening) -> None:
        for line in opening_lines(opening):
            click.echo(line)
        self._shown_at = trio.current_time()

    def happened(self, event: Event, tally: Tally) -> None:
        if event.kind in ("failed", "retrying", "lost"):
            self._failures += 1
            if self._failures <= SHOWN_FAILURES:
                click.echo(failure_line(event))

    def tick(self, tally: Tally) -> None:
        percent = 100 * tally.finished / tally.total
        now = trio.current_time()
        moved = percent - self._shown_percent
        if moved >= STEP or now - self._shown_at >= PAUSE:
            self._shown_percent, self._shown_at = percent, now
            click.echo(f"{percent:3.0f} %  {progress_line(tally, now)}")

    def stop(self) -> None:
        pass

    def closed(self, summary: Summary) -> None:
        print_summary(summary)
