"""Runs a worker's command for one task: the task goes in as JSON, a result comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from scheduler.cli.commands import Tail
from scheduler.cli.outcomes import Outcome, attempt
from scheduler.cli.work.worker_queue import Work
from scheduler.domain.encoding import JSON_BYTES, encode_json
from scheduler.domain.errors import SchedulerError
from scheduler.endpoint.toolkit.fields import Json

# Of sysexits.h those that say: this task, done again in the same way, fails again.
PERMANENT = {
    64: "EX_USAGE",
    65: "EX_DATAERR",
    66: "EX_NOINPUT",
    77: "EX_NOPERM",
    78: "EX_CONFIG",
}
SHELL = "--exec"  # what the shell calls itself; no other has this name
_CANNOT_RUN = re.compile(rf"exit code 12[67]\n(?s:.*\n)?{SHELL}: (?:(?:line )?\d+: )?(.+)")


async def perform(command: str, work: Work, place: Mapping[str, str | None]) -> Outcome:
    """Run the command line in a shell; never raises for what it does.

    `place` are variables that say where the queue is. The task's timeout is obeyed; when the
    caller is cancelled, the command and its children are terminated. A command that the shell
    cannot find or may not run makes the worker unfit.
    """
    about = {
        "HEADRACE_TASK_ID": work.task_id,
        "HEADRACE_ATTEMPT": str(work.attempt),
        "HEADRACE_AGENT_TYPE": work.agent_type,
        "HEADRACE_GROUP": work.group,
        **place,
    }
    outcome = await attempt(
        ("sh", "-c", command, SHELL),
        about,
        _result,
        limit=work.timeout,
        stdin=json.dumps(work.document, ensure_ascii=False).encode() + b"\n",
        permanent=PERMANENT,
        kept=JSON_BYTES,
    )
    complaint = _CANNOT_RUN.fullmatch(outcome.error or "")
    return replace(outcome, error=complaint[1], unfit=True) if complaint else outcome


def _result(stdout: Tail, stderr: Tail) -> Any:
    """What was printed, as JSON if it is that, else the end of it as text.

    A string is taken as the tool `task_complete` takes it, whichever way the result goes.
    """
    whole = stdout.whole
    if whole is not None:
        try:
            value = Json().parse(json.loads(whole.decode()), "result")
            encode_json("result", value)  # refuses NaN and what is too deep
        except (ValueError, RecursionError, SchedulerError):
            pass
        else:
            return value
    return {"stdout": stdout.text, "exit_code": 0}
