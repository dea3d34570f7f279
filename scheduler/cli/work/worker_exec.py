"""Runs a worker's command for one task: the task goes in as JSON, a result comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import Any

import trio

from scheduler.cli.commands import Tail, run_command
from scheduler.cli.outcomes import Outcome, how_it_ended, not_started, story, timed_out
from scheduler.cli.work.worker_queue import Work
from scheduler.domain.encoding import JSON_BYTES, encode_json
from scheduler.domain.errors import SchedulerError

# Of sysexits.h those that say: this task, done again in the same way, fails again.
PERMANENT = {
    64: "EX_USAGE",
    65: "EX_DATAERR",
    66: "EX_NOINPUT",
    77: "EX_NOPERM",
    78: "EX_CONFIG",
}


async def perform(command: str, work: Work, place: Mapping[str, str | None]) -> Outcome:
    """Run the command line in a shell; never raises for what it does.

    `place` are variables that say where the queue is. The task's timeout is obeyed; when the
    caller is cancelled, the command and its children are terminated.
    """
    stdout, stderr = Tail(JSON_BYTES), Tail()
    about = {
        "HEADRACE_TASK_ID": work.task_id,
        "HEADRACE_ATTEMPT": str(work.attempt),
        "HEADRACE_AGENT_TYPE": work.agent_type,
        "HEADRACE_GROUP": work.group,
        **place,
    }
    document = json.dumps(work.document, ensure_ascii=False).encode() + b"\n"
    try:
        with trio.move_on_after(inf if work.timeout is None else work.timeout) as limit:
            code = await run_command(("sh", "-c", command), about, stdout, stderr, document)
    except OSError as error:
        return Outcome(not_started(error))
    if limit.cancelled_caught:
        assert work.timeout is not None
        return Outcome(story(timed_out(work.timeout), stdout, stderr))
    if code != 0:
        return Outcome(story(_ended(code), stdout, stderr), retryable=code not in PERMANENT)
    return Outcome(result=_result(stdout))


def _ended(code: int) -> str:
    return how_it_ended(code) + (f" ({PERMANENT[code]})" if code in PERMANENT else "")


def _result(stdout: Tail) -> Any:
    """What was printed, as JSON if it is that, else the end of it as text."""
    whole = stdout.whole
    if whole is not None:
        try:
            value = json.loads(whole.decode())
            encode_json("result", value)  # refuses NaN and what is too deep
        except (ValueError, RecursionError, SchedulerError):
            pass
        else:
            return value
    return {"stdout": stdout.text, "exit_code": 0}
