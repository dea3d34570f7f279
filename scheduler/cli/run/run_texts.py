"""The sentences of a run, the same on a terminal and through a pipe."""

from __future__ import annotations

import shlex

import click

from scheduler.cli.output import print_facts
from scheduler.cli.run.progress import Tally
from scheduler.cli.run.runner import Event
from scheduler.cli.run.summary import Opening, Summary
from scheduler.cli.text import safe, safe_lines
from scheduler.cli.workflow.plan_command import against_bound
from scheduler.domain.task import Status

SHOWN_FAILURES = 10
SHOWN_LINES = 10  # of the story of a failure


def opening_lines(opening: Opening) -> list[str]:
    """What is about to run, where it is kept, and what was done before."""
    kept = "nothing is kept" if opening.database == ":memory:" else opening.durability
    lines = [
        f"{safe(opening.workflow)}: {_counted(opening.tasks, 'task')}, "
        f"{_counted(opening.workers, 'worker')}, "
        f"database {safe(opening.database)} ({kept})"
    ]
    if opening.resumed:
        lines.append(f"resuming: {opening.done_before:,} of {opening.tasks:,} done before")
    lines += [
        f"agent_type {safe(lane)} is paused: end this run, then headrace resume {shlex.quote(lane)}"
        for lane in opening.paused
    ]
    return lines


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def failure_line(event: Event) -> str:
    """One line on a job that went wrong."""
    first = (event.task.error or "").split("\n", 1)[0]
    match event.kind:
        case "lost":
            return f"lost      {safe(event.job.ref)}: its lease is no longer ours"
        case "retrying":
            tries = f"attempt {event.task.attempt} of {event.task.max_attempts}"
            return f"retrying  {safe(event.job.ref)}: {safe(first)} ({tries})"
        case _:
            return f"failed    {safe(event.job.ref)}: {safe(first)}"


def progress_line(tally: Tally, now: float) -> str:
    """Counts, and the time left."""
    parts = [f"{tally.counts[Status.COMPLETED]:,} of {tally.total:,} done"]
    if failed := tally.counts[Status.FAILED]:
        parts.append(f"{failed:,} failed")
    if cancelled := tally.counts[Status.CANCELLED]:
        parts.append(f"{cancelled:,} cancelled")
    parts.append(f"{len(tally.running)} running")
    left = tally.seconds_left(now)
    if left:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A span of time for people.

    >>> duration(0.4), duration(75), duration(7320)
    ('0.4 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def print_summary(summary: Summary) -> None:
    """The end of a run, with what failed and how to go on."""
    counts = [f"{summary.completed:,} completed"]
    if summary.failed:
        counts.append(f"{summary.failed:,} failed")
    if summary.cancelled:
        counts.append(f"{summary.cancelled:,} cancelled")
    if summary.left:
        counts.append(f"{summary.left:,} left")
    tasks = _counted(summary.tasks, "task")
    facts = {tasks: ", ".join(counts), "wall time": duration(summary.seconds)}
    if summary.makespan_seconds:
        facts["wall time"] += f", {summary.tasks_per_second:.1f} tasks/s"
        if summary.lower_bound_seconds is not None:
            facts["makespan"] = against_bound(summary.makespan_seconds, summary.lower_bound_seconds)
    print_facts(facts)
    _print_failures(summary)
    if summary.interrupted:
        done = f"{summary.completed:,} of {summary.tasks:,} done"
        click.echo(f"interrupted: {done}; run the same command again to go on")


def _print_failures(summary: Summary) -> None:
    for failure in summary.failures[:SHOWN_FAILURES]:
        first, *more = safe_lines(failure.error)
        click.echo(f"\n{failure.status} {safe(failure.ref)} ({failure.task_id}): {first}")
        for line in more[-SHOWN_LINES:]:
            click.echo(f"    {line}")
        retry = _command(summary, "retry", failure.task_id, "--cascade")
        click.echo(f"  again: {retry}  # then the same run again")
    more_failures = len(summary.failures) - SHOWN_FAILURES
    if more_failures > 0:
        listing = _command(summary, "list", "--group", summary.workflow, "--status", "failed")
        click.echo(f"\nand {more_failures} more: {listing}")


def _command(summary: Summary, *words: str) -> str:
    return safe(shlex.join(["headrace", *words, "--db", summary.database]))
