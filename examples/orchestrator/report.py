"""The report: gathers how all steps ended, as a table and as a JSON file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from scheduler import GiveUp, Job, Scheduler, Status, Task

Row = dict[str, Any]


def register(scheduler: Scheduler, file: Path) -> None:
    """Let the report be written to this file."""
    scheduler.handler("report")(partial(report, file))


async def report(file: Path, job: Job) -> Row:
    """Its result is what stands in the file. It fails, and its dependents with it, if a step has.

    It has waited for all of them with `run_after`: they have ended, however.
    """
    steps = (await job.scheduler.details(job.task)).prerequisites
    rows = [row(await job.scheduler.get(step.id), job.results.get(step.id)) for step in steps]
    bad = [row["step"] for row in rows if row["status"] != Status.COMPLETED]
    body = {"group": job.task.group, "failed": bad, "steps": rows}
    save(file, body)
    print(table(body), flush=True)
    if bad:
        raise GiveUp(f"{len(bad)} of {len(rows)} steps are not good: {', '.join(bad)}")
    return body


def save(file: Path, body: Row) -> None:
    """The report for programs."""
    file.write_text(json.dumps(body, indent=2) + "\n", "utf-8")


def row(task: Task, result: Any) -> Row:
    """What is told of one step."""
    seconds = None
    if task.started_at is not None and task.finished_at is not None:
        seconds = round((task.finished_at - task.started_at).total_seconds(), 2)
    return {
        "task_id": task.id,
        "step": task.summary,
        "lane": task.agent_type,
        "target": (task.payload or {}).get("target"),
        "status": task.status,
        "attempts": task.attempt,
        "seconds": seconds,
        "said": said(task, result),
    }


def said(task: Task, result: Any) -> str:
    """The last line of what a tool has printed, or why the step has failed."""
    if task.status is not Status.COMPLETED:
        text = task.error or ""
    elif isinstance(result, dict) and "stdout" in result:
        text = result["stdout"]
    else:
        text = json.dumps(result)
    return (text.strip().splitlines() or [""])[-1].strip("= ")


def table(body: Row) -> str:
    """The report for people."""
    width = max(len(one["step"]) for one in body["steps"])
    lines = ["", f"  {'step':<{width}}  {'status':<9}  tries  seconds  what it said"]
    for one in body["steps"]:
        seconds = "" if one["seconds"] is None else f"{one['seconds']:.2f}"
        lines.append(
            f"  {one['step']:<{width}}  {one['status']:<9}  {one['attempts']:>5}  {seconds:>7}"
            f"  {one['said'][:50]}"
        )
    good = len(body["steps"]) - len(body["failed"])
    return "\n".join([*lines, f"  {good} of {len(body['steps'])} steps are good", ""])
