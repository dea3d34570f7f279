"""Runs a worker's command for one task: the task goes in as JSON, a result comes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from scheduler.cli.work.worker_queue import Work
from scheduler.endpoint.toolkit.fields import Json
from scheduler.workers.processes import taskio
from scheduler.workers.processes.commands import TERM_SECONDS
from scheduler.workers.processes.outcomes import Outcome

SHELL = "--exec"  # what the shell calls itself; no other has this name
_CANNOT_RUN = re.compile(rf"exit code 12[67]\n(?s:.*\n)?{SHELL}: (?:(?:line )?\d+: )?(.+)")


async def perform(command: str, work: Work, place: Mapping[str, str | None]) -> Outcome:
    """Run the command line in a shell; never raises for what it does.

    `place` are variables that say where the queue is. The task's timeout is obeyed; when the
    caller is cancelled, the command and its children are terminated. A command that the shell
    cannot find or may not run makes the worker unfit.
    """
    about = taskio.environment_of(work.task_id, work.attempt, work.agent_type, work.group)
    outcome = await taskio.perform(
        ("sh", "-c", command, SHELL),
        {**about, **place},
        work.document,
        limit=work.timeout,
        grace=TERM_SECONDS,
        read=_as_the_tool_takes_it,
    )
    complaint = _CANNOT_RUN.fullmatch(outcome.error or "")
    return replace(outcome, error=complaint[1], unfit=True) if complaint else outcome


def _as_the_tool_takes_it(value: Any) -> Any:
    """A string is taken as `task_complete` takes it, whichever way the result goes."""
    return Json().parse(value, "result")
