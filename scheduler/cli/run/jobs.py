"""What a task of a workflow does when it runs: a command, or the replay of a recorded time."""

from __future__ import annotations

import msgspec
import trio

from scheduler.cli.commands import Tail, run_command
from scheduler.cli.outcomes import Outcome, how_it_ended, not_started, story, timed_out
from scheduler.cli.workflow.workflow_task import WorkflowTask
from scheduler.domain.task import Task


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
    if job.command is None:
        with trio.move_on_after(job.timeout) as limit:
            await trio.sleep(job.sleep)
        return _failed(job, timed_out(job.timeout)) if limit.cancelled_caught else Outcome()
    return await _command(job, job.command, task)


async def _command(job: Job, command: tuple[str, ...], task: Task) -> Outcome:
    stdout, stderr = Tail(), Tail()
    about = {
        "HEADRACE_TASK_ID": task.id,
        "HEADRACE_REF": job.ref,
        "HEADRACE_ATTEMPT": str(task.attempt),
    }
    try:
        with trio.move_on_after(job.timeout) as limit:
            code = await run_command(command, about, stdout, stderr)
    except OSError as error:
        return _failed(job, not_started(error))
    if limit.cancelled_caught:
        return _failed(job, story(timed_out(job.timeout), stdout, stderr))
    if code != 0:
        return _failed(job, story(how_it_ended(code), stdout, stderr))
    return Outcome(result={"exit_code": code, "stdout": stdout.text, "stderr": stderr.text})


def _failed(job: Job, error: str) -> Outcome:
    return Outcome(error, retryable=job.retryable)
