"""What does the steps: commands, a function in a thread, and a Trio task that makes more tasks."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from scheduler import BlockingJob, GiveUp, Job, RetryPolicy, Scheduler, Task, TaskSpec

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def register(scheduler: Scheduler) -> None:
    """All handlers but that of the report. Nobody here does a review: that is for an agent."""
    ruff, handler = tool("ruff"), scheduler.handler
    handler("lint", run=[ruff, "check", "."], timeout=60)
    handler("format", run=[ruff, "format", "--check", "."], timeout=60)
    handler("imports", run=[tool("lint-imports")], timeout=60)
    handler("types", run=type_check, concurrency=2, timeout=600)
    handler("tests", run=run_tests, concurrency=2, timeout=600, retry=RetryPolicy(first=0.2))
    handler("links")(check_links)
    handler("split")(split)


def tool(name: str) -> str:
    """The program of that name, beside this Python."""
    return str(Path(sys.executable).with_name(name))


def type_check(task: Task) -> list[str]:
    """The command for one package."""
    return [tool("mypy"), target_of(task)]


def run_tests(task: Task) -> list[str]:
    """The command for one folder or file of tests; those that start processes take too long."""
    quiet = ["-q", "-m", "not process", "-p", "no:cacheprovider"]
    return [tool("pytest"), *quiet, target_of(task)]


def target_of(task: Task) -> str:
    """The path in the payload, which may come from an agent: only one that is there, and ours."""
    target = Path(task.payload["target"])
    if target.is_absolute() or ".." in target.parts or not target.exists():
        raise GiveUp(f"there is no {target} in this repository")
    return str(target)


def check_links(job: BlockingJob) -> dict[str, int]:
    """Whether every link from page to page leads somewhere. Blocks, so it runs in a thread."""
    pages = [*Path().glob("*.md"), *Path("docs").rglob("*.md"), *Path("examples").rglob("*.md")]
    dead = []
    for page in pages:
        job.check()  # raises when the work is to stop
        links = LINK.findall(page.read_text("utf-8"))
        dead += [f"{page}: {link}" for link in links if not (page.parent / link).exists()]
    if dead:
        raise GiveUp(f"{len(dead)} dead links\n" + "\n".join(dead))
    return {"pages": len(pages)}


async def split(job: Job) -> dict[str, Any]:
    """Make one task for each target, and have all wait for them that wait for this one."""
    wanted = job.payload
    targets = targets_of(wanted["each"], by_folder=wanted.get("by_folder", False))
    children = await job.enqueue_many(
        TaskSpec(
            f"{wanted['verb']} {target}",
            agent_type=wanted["into"],
            base_priority=job.task.base_priority,
            estimated_duration=wanted["seconds"],
            payload={"target": target},
            limit_key=wanted.get("limit_key"),
            max_attempts=2,  # a test may be flaky
            group=job.task.group,
            key=f"{job.task.key}/{target}",  # a second attempt makes no second child
        )
        for target in targets
    )
    for dependent in (await job.scheduler.details(job.task)).dependents:
        await job.scheduler.add_prerequisites(dependent.id, run_after=children)
    return {"targets": targets}


def targets_of(pattern: str, *, by_folder: bool) -> list[str]:
    """What matches now, or the folders in which it lies."""
    found = Path().glob(pattern)
    targets = {str(path.parent if by_folder else path) for path in found}
    if not targets:
        raise GiveUp(f"nothing matches {pattern}")
    return sorted(targets)
