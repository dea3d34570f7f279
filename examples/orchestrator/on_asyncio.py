"""The idea of orchestrate.py in an asyncio program: run me.

    python examples/orchestrator/on_asyncio.py [DATABASE]

It checks the repository in the current folder.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from scheduler import Job, Status, TaskSpec
from scheduler.asyncio import open_scheduler

RUFF = str(Path(sys.executable).with_name("ruff"))
CHECKS = {"lint": [RUFF, "check", "."], "format": [RUFF, "format", "--check", "."]}


async def main(database: str) -> int:
    """Returns 0 if all checks are good, 1 if not."""
    async with open_scheduler(database) as scheduler:
        for name, words in CHECKS.items():
            scheduler.handler(name, run=words)

        @scheduler.handler("report")
        async def report(job: Job) -> dict[str, Status]:
            checks = [await job.scheduler.get(check) for check in job.task.run_after]
            return {check.summary: check.status for check in checks}

        checks = [TaskSpec(f"The {name}", agent_type=name, max_attempts=1) for name in CHECKS]
        last = TaskSpec("The report", agent_type="report", run_after=checks)
        *_, last_task = await scheduler.enqueue_many([*checks, last])
        await scheduler.run_workers(until_idle=True)
        statuses = (await scheduler.get(last_task)).result
        print("\n".join(f"{name}: {status}" for name, status in statuses.items()))
        return 0 if set(statuses.values()) == {Status.COMPLETED} else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else ":memory:")))
