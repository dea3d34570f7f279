"""What a command is told of its task, and how what it prints becomes a result."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from scheduler.domain.encoding import JSON_BYTES, encode_json
from scheduler.domain.errors import SchedulerError
from scheduler.workers.processes.commands import Tail
from scheduler.workers.processes.outcomes import Outcome, attempt

# Of sysexits.h those that say: this task, done again in the same way, fails again.
PERMANENT = {
    64: "EX_USAGE",
    65: "EX_DATAERR",
    66: "EX_NOINPUT",
    77: "EX_NOPERM",
    78: "EX_CONFIG",
}


def environment_of(
    task_id: str, attempt_number: int, agent_type: str, group: str | None
) -> dict[str, str | None]:
    """The variables that tell a command of its task; None takes one away."""
    return {
        "HEADRACE_TASK_ID": task_id,
        "HEADRACE_ATTEMPT": str(attempt_number),
        "HEADRACE_AGENT_TYPE": agent_type,
        "HEADRACE_GROUP": group,
    }


async def perform(
    words: tuple[str, ...],
    environment: dict[str, str | None],
    document: dict[str, Any],
    *,
    limit: float | None,
    grace: float,
    read: Callable[[Any], Any] = lambda value: value,
) -> Outcome:
    """Run a command without a shell, with `document` as JSON on its stdin.

    Never raises for what it does. It may take `limit` seconds, and has `grace` seconds after
    SIGTERM. `read` has the last word on JSON that it printed.
    """
    return await attempt(
        words,
        environment,
        lambda stdout, stderr: _result(stdout, read),
        limit=limit,
        grace=grace,
        stdin=json.dumps(document, ensure_ascii=False).encode() + b"\n",
        permanent=PERMANENT,
        kept=JSON_BYTES,
    )


def _result(stdout: Tail, read: Callable[[Any], Any]) -> Any:
    """What was printed, as JSON if it is that, else the end of it as text."""
    whole = stdout.whole
    if whole is not None:
        try:
            value = read(json.loads(whole.decode()))
            encode_json("result", value)  # refuses NaN and what is too deep
        except (ValueError, RecursionError, SchedulerError):
            pass
        else:
            return value
    return {"stdout": stdout.text, "exit_code": 0}
