"""Shows what a worker does: to people as lines of text, to programs as JSON, one object a line."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click
import msgspec

from scheduler.cli.output import print_event
from scheduler.cli.run.run_texts import duration
from scheduler.cli.text import safe
from scheduler.cli.work.worker_events import Event, Kind, Trouble
from scheduler.workers.processes.outcomes import in_short

ENDS: tuple[Kind, ...] = ("completed", "failed", "retrying", "released", "held", "lost")


class Opening(msgspec.Struct, frozen=True):
    """Who works on what; `queue` is a file or a URL."""

    holder: str
    agent_types: tuple[str, ...]
    queue: str
    concurrency: int
    lease_seconds: float


class Display:
    """Prints, and counts how tasks ended."""

    def __init__(self, *, as_json: bool) -> None:
        self.ends: Counter[Kind] = Counter()
        self._as_json = as_json

    def warned(self, what: str) -> None:
        """Something is dangerous."""
        click.echo(f"warning: {what}", err=True)

    def noted(self, what: str) -> None:
        """Something will be other than people expect; programs are told when it is."""
        if not self._as_json:
            click.echo(f"note: {what}", err=True)

    def opened(self, opening: Opening) -> None:
        """The queue is open, and signals are heeded."""
        if self._as_json:
            print_event("opened", msgspec.to_builtins(opening))
        else:
            lanes = ", ".join(map(safe, opening.agent_types))
            click.echo(
                f"{safe(opening.holder)} takes {lanes} from {safe(opening.queue)}, "
                f"up to {opening.concurrency} at a time"
            )

    def happened(self, event: Event | Trouble) -> None:
        """Something happened to a task, or the queue did not answer."""
        if isinstance(event, Trouble):
            self._trouble(event)
            return
        if event.kind in ENDS:
            self.ends[event.kind] += 1
        if self._as_json:
            print_event(event.kind, _facts(event))
        else:
            click.echo(f"{event.kind:<9}  {event.work.task_id}  {_words(event)}")

    def stopping(self, *, idle: bool) -> None:
        """A signal came: nothing more is taken. Unless it is idle, a second one is heeded."""
        if not self._as_json:
            more = "" if idle else "; again to give back what is running"
            click.echo(f"stopping: takes no more{more}")

    def closed(self) -> None:
        """The queue is closed."""
        if self._as_json:
            print_event("closed", {kind: self.ends[kind] for kind in ENDS})
        else:
            counts = [f"{self.ends[kind]:,} {kind}" for kind in ENDS if self.ends[kind]]
            click.echo(f"ended: {', '.join(counts) or 'nothing was to be done'}")

    def _trouble(self, trouble: Trouble) -> None:
        if self._as_json:
            print_event("trouble", {"error": trouble.error.as_dict(), "again_in_s": trouble.pause})
        else:
            what = f"[{trouble.error.code}] {safe(trouble.error.message)}"
            click.echo(f"trouble    {what}; again in {duration(trouble.pause)}", err=True)


def _facts(event: Event) -> dict[str, Any]:
    work = event.work
    facts: dict[str, Any] = {"task_id": work.task_id}
    if event.kind == "started":
        facts |= {"summary": work.summary, "agent_type": work.agent_type, "attempt": work.attempt}
    else:
        facts["seconds"] = round(event.seconds, 3)
    if event.again_s is not None:
        facts |= {"again_in_s": round(event.again_s, 3), "attempts_left": event.attempts_left}
    return facts if event.error is None else facts | {"error": event.error}


def _words(event: Event) -> str:
    match event.kind:
        case "started":
            again = f" (attempt {event.work.attempt})" if event.work.attempt > 1 else ""
            return safe(event.work.summary) + again
        case "failed" | "retrying":
            what = f"after {duration(event.seconds)}: {safe(in_short(event.error or ''))}"
            if event.again_s is None:
                return what
            tries = "1 try" if event.attempts_left == 1 else f"{event.attempts_left} tries"
            return f"{what}; again in {duration(event.again_s)}, {tries} left"
        case "held":
            return f"after {duration(event.seconds)}: not given back: {safe(event.error or '')}"
        case "lost":
            why = "its lease is no longer ours" if event.error is None else safe(event.error)
            return f"after {duration(event.seconds)}: {why}"
        case _:
            return f"after {duration(event.seconds)}"
