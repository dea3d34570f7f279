"""An agent that shares the queue over MCP, without a language model: its answers are rules.

It does the one step that the orchestrator has no handler for, the review; and it asks for a step
of its own, which a handler of the orchestrator does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

NAME = "vera"
LONGEST_WAIT = 50  # seconds that one call waits, so that no client loses patience

Answer = dict[str, Any]


async def visit(database: Path, group: str) -> None:
    """Start a `headrace mcp` of our own on the orchestrator's file, do the review, and leave."""
    words = ["-m", "scheduler.cli", "mcp", "--db", str(database)]
    server = StdioServerParameters(command=sys.executable, args=words)
    async with Client(stdio_client(server)) as client:
        await Visitor(client, group).review()


class Visitor:
    """The session of the agent."""

    def __init__(self, client: Client, group: str) -> None:
        self._client = client
        self._group = group

    async def review(self) -> None:
        """Claim the review, have the slowest test run once more, and say what came of it."""
        claim = await self._claim()
        (report,) = claim["prerequisite_results"].values()
        tests = [step for step in report["steps"] if step["lane"] == "tests"]
        slowest = max(tests, key=lambda step: step["seconds"])
        again = await self._run_again(slowest, report["group"])
        result = {
            "verdict": "good",
            "slowest": slowest["step"],
            "seconds": slowest["seconds"],
            "again": again["status"],
        }
        await self._call(
            "task_complete",
            task_id=claim["task_id"],
            lease_token=claim["lease_token"],
            result=result,
        )

    async def _claim(self) -> Answer:
        """An empty answer only means that nothing has come yet."""
        while True:
            answer = await self._call(
                "task_claim",
                agent=NAME,
                agent_types=["reviewer"],
                wait_seconds=LONGEST_WAIT,
                lease_seconds=300,
            )
            if answer["claims"]:
                claim: Answer = answer["claims"][0]
                return claim

    async def _run_again(self, step: Answer, group: str) -> Answer:
        """Ask for the test, wait for it, and look at what became of it."""
        made = await self._call(
            "task_enqueue",
            description=f"Second look at {step['target']}",
            agent_type="tests",
            source="agent_implementation",
            payload={"target": step["target"]},
            group=group,
            key=f"{group}/second-look",
        )
        finished = False
        while not finished:
            answer = await self._call(
                "task_wait", task_ids=[made["task_id"]], wait_seconds=LONGEST_WAIT
            )
            finished = answer["finished"]
        return await self._call("task_get", task_id=made["task_id"])

    async def _call(self, tool: str, **arguments: Any) -> Answer:
        result = await self._client.call_tool(tool, arguments)
        body: Answer = result.structured_content or {}
        if result.is_error:
            raise RuntimeError(f"{tool}: {body.get('message')} {body.get('hint', '')}")
        return body
