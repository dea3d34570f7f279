"""What a task of a workflow does when it runs: a command, or the replay of a recorded time."""

from __future__ import annotations

import msgspec
import trio

from scheduler.cli.workflow.workflow_task import WorkflowTask
from scheduler.domain.task import Task
from scheduler.workers.processes.commands import Tail
from scheduler.workers.processes.outcomes import Outcome, attempt, timed_out


class Job(msgspec.Struct, frozen=True):
    """Work for one task. Times in seconds; `sleep` is after division by the speed.

    A failed attempt is repeated only if the file says `max_attempts`; the task's own limit
    then still lets it outlive a killed run.
    """

    ref: str
    command: tuple[str, ...] | None
    sleep: float
    timeout: float
    retryable: bool


def job_of(task: WorkflowTask, speed: float) -> Job:
    """The job of a task in a workflow file."""
    return Job(
        ref=task.ref,
        command=task.command,
        sleep=(task.runtime_s or 0.0) / speed,
        timeout=task.fields.get("timeout") or float("inf"),
        retryable="max_attempts" in task.fields,
    )


async def perform(job: Job, task: Task) -> Outcome:
    """Do the job; never raises for what the job does."""
    outcome = await (_replay(job) if job.command is None else _command(job, job.command, task))
    return msgspec.structs.replace(outcome, retryable=job.retryable)


async def _replay(job: Job) -> Outcome:
    with trio.move_on_after(job.timeout) as limit:
        await trio.sleep(job.sleep)
    return Outcome(timed_out(job.timeout) if limit.cancelled_caught else None)


async def _command(job: Job, command: tuple[str, ...], task: Task) -> Outcome:
    about = {
        "HEADRACE_TASK_ID": task.id,
        "HEADRACE_REF": job.ref,
        "HEADRACE_ATTEMPT": str(task.attempt),
    }
    return await attempt(command, about, _result, limit=job.timeout)


def _result(stdout: Tail, stderr: Tail) -> dict[str, object]:
    return {"exit_code": 0, "stdout": stdout.text, "stderr": stderr.text}
