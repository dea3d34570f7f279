"""The pipeline: which steps there are, what each waits for, and what has been done before.

Every step has a key made of the state of the tree. So the same tree checked twice is the same
work: a run that was killed goes on where it was, and a changed file is checked anew.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from scheduler import AlreadyFinished, Scheduler, Status, Task, TaskSpec

CHECKED = {".py", ".toml", ".md"}
PATIENCE = timedelta(minutes=15)  # from the submission to the deadline of the report
ONE_TYPE_CHECKER = "type-checker"
RUNS = "quality-"  # what the names of all runs begin with
LAST = ("report", "reviewer")
UNFINISHED = ("pending", Status.RUNNING)


def group_of(root: Path, *, fast: bool) -> str:
    """The group of all tasks of a run: how much is checked, and a digest of what."""
    digest = sha256()
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root)
        hidden = any(part.startswith(".") or part == "build" for part in inner.parts)
        if path.suffix in CHECKED and not hidden and path.is_file():
            digest.update(str(inner).encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{RUNS}{'fast' if fast else 'full'}-{digest.hexdigest()[:12]}"


async def submit(scheduler: Scheduler, group: str, *, fast: bool) -> tuple[Task, Task]:
    """Put the graph of a run into the queue, unless it is there; the report and the review."""
    await scheduler.set_limit(limit_key=ONE_TYPE_CHECKER, concurrency=1)
    await _drop_other_runs(scheduler, group)
    await _reopen(scheduler, group)
    *_, report, review = await scheduler.enqueue_many(steps(group, fast=fast))
    if report.deadline is None and not report.status.finished:
        # No part of the spec: with a deadline of its own each run would be another request.
        # All that the report waits for becomes as urgent as the report.
        await scheduler.update(report, deadline=datetime.now(UTC) + PATIENCE)
    return report, review


def steps(group: str, *, fast: bool) -> list[TaskSpec]:
    """The graph; the last two are the report and the review."""

    def step(ref: str, description: str, lane: str, seconds: float, **more: Any) -> TaskSpec:
        return TaskSpec(
            description,
            agent_type=lane,
            estimated_duration=seconds,
            key=f"{group}/{ref}",
            group=group,
            **more,
        )

    lint = step("lint", "Lint", "lint", 1, base_priority=9, max_attempts=1)
    imports = step("imports", "Import rules", "imports", 2, base_priority=8, max_attempts=1)
    checks = [
        lint,
        imports,
        step("format", "Format", "format", 1, max_attempts=1),
        step(
            "tests",
            "Split the tests",
            "split",
            0.1,
            base_priority=7,
            prerequisites=[lint],  # code that does not even parse is not tested
            payload=_tests(fast),
        ),
    ]
    if not fast:
        checks += [
            step("links", "Links between pages", "links", 1, base_priority=2),
            step("types", "Split the types", "split", 0.1, prerequisites=[lint], payload=_types()),
        ]
    report = step("report", "Report", "report", 0.1, run_after=checks, payload={"group": group})
    review = step("review", "Review the report", "reviewer", 60, prerequisites=[report])
    return [*checks, report, review]


def _tests(fast: bool) -> dict[str, Any]:
    """What the handler of `split` is told: one task for each folder, or for each of some files."""
    one = {"into": "tests", "verb": "Test"}
    if fast:
        return one | {"each": "tests/[dfp]*/test_i*.py", "seconds": 2}
    return one | {"each": "tests/*/test_*.py", "by_folder": True, "seconds": 20}


def _types() -> dict[str, Any]:
    """One task for each package, but only one at a time: they share a cache."""
    one = {"into": "types", "verb": "Type-check", "limit_key": ONE_TYPE_CHECKER}
    return one | {"each": "*/py.typed", "by_folder": True, "seconds": 30}


async def _drop_other_runs(scheduler: Scheduler, group: str) -> None:
    """What was left undone of another state of the tree would now be done on this one."""
    for task in await _tasks(scheduler, status=UNFINISHED):
        if task.group != group and (task.group or "").startswith(RUNS):
            with suppress(AlreadyFinished):  # it went with one that it waited for
                await scheduler.cancel(task, "the tree has changed")


async def _reopen(scheduler: Scheduler, group: str) -> None:
    """What failed or was dropped in an earlier run of the same tree is tried anew.

    Nothing comes back before what it waits for, so the report and the review come last.
    """
    ended = await _tasks(scheduler, group=group, status=[Status.FAILED, Status.CANCELLED])
    for task in sorted(ended, key=lambda task: (task.agent_type in LAST, task.id)):
        if (await scheduler.get(task)).status.finished:  # else it came back with another
            await scheduler.retry(task, cascade=True)


async def _tasks(scheduler: Scheduler, **wanted: Any) -> list[Task]:
    """All pages of a list."""
    page = await scheduler.list(limit=500, **wanted)
    tasks = [*page.tasks]
    while page.has_more:
        page = await scheduler.list(limit=500, cursor=page.cursor, **wanted)
        tasks += page.tasks
    return tasks
