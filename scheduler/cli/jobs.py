"""What a task of a workflow does when it runs: a command, or the replay of a recorded time."""

from __future__ import annotations

import signal
from typing import Any

import msgspec
import trio

from scheduler.cli.commands import Tail, run_command
from scheduler.cli.workflow_task import WorkflowTask
from scheduler.domain.task import Task

STORY_LENGTH = 2_000  # characters of output in an error


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


class Outcome(msgspec.Struct, frozen=True):
    """How a job ended: with an error or a result."""

    error: str | None = None
    result: dict[str, Any] | None = None


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
        return Outcome(error=_timed_out(job)) if limit.cancelled_caught else Outcome()
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
        return Outcome(error=f"cannot be started: {error.strerror or error}")
    if limit.cancelled_caught:
        return Outcome(error=_story(_timed_out(job), stdout, stderr))
    if code != 0:
        return Outcome(error=_story(_how_it_ended(code), stdout, stderr))
    return Outcome(result={"exit_code": code, "stdout": stdout.text, "stderr": stderr.text})


def _timed_out(job: Job) -> str:
    return f"timed out after {job.timeout:g} s"


def _how_it_ended(code: int) -> str:
    if code > 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _story(what: str, stdout: Tail, stderr: Tail) -> str:
    """What happened, with the end of stderr, or of stdout when stderr is silent."""
    output = stderr.text.strip() or stdout.text.strip()
    return f"{what}\n{output[-STORY_LENGTH:]}" if output else what
