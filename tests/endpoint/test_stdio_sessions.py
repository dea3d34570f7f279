"""The SDK's own client, on both of its event loops and in both eras, with real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.endpoint.raw_stdio import COMMAND, PATIENCE

pytestmark = [
    pytest.mark.process,
    # The SDK's client warns of what the era of 2026 does without.
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]


class Heard:
    """The updates that a client of the handshake era was sent."""

    def __init__(self) -> None:
        self.update = anyio.Event()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            self.update.set()


async def called(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def work(client: Client) -> None:
    """One task from its making to its end, as an agent does it."""
    first = await called(client, "task_enqueue", description="Build", key="build")
    again = await called(client, "task_enqueue", description="Build", key="build")
    assert again["existing"]
    assert again["task_id"] == first["task_id"]
    then = await called(
        client, "task_enqueue", description="Test", prerequisites=[first["task_id"]]
    )
    [claim] = (await called(client, "task_claim", agent="a", wait_seconds=50))["claims"]
    held = {"task_id": claim["task"]["task_id"], "lease_token": claim["lease_token"]}
    assert held["task_id"] == first["task_id"]
    await called(client, "task_heartbeat", **held, progress=0.5)
    done = await called(client, "task_complete", **held, result={"wheel": "a.whl"})
    assert done["unblocked"] == [then["task_id"]]


async def hear_of_a_change(client: Client, heard: Heard) -> None:
    """A subscriber is told of a change that another call makes."""
    if client.protocol_version < "2026":
        await client.subscribe_resource("queue://status")
        await called(client, "task_enqueue", description="Publish")
        await heard.update.wait()
        return
    async with client.listen(resource_subscriptions=["queue://status"]) as stream:
        await called(client, "task_enqueue", description="Publish")
        await anext(stream)


@pytest.mark.parametrize("loop", ["trio", "asyncio"])
@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_session(tmp_path: Path, loop: str, mode: str) -> None:
    """Tools, resources, prompts and subscriptions; the process ends with the session."""

    async def session() -> None:
        heard = Heard()
        words = [*COMMAND[1:], "--db", str(tmp_path / "tasks.db")]
        process = StdioServerParameters(command=COMMAND[0], args=words)
        with anyio.fail_after(PATIENCE):
            async with Client(stdio_client(process), mode=mode, message_handler=heard) as client:
                assert client.protocol_version == (
                    "2025-11-25" if mode == "legacy" else "2026-07-28"
                )
                assert "task_claim" in (client.instructions or "")
                assert len((await client.list_tools()).tools) == 12
                await work(client)
                await hear_of_a_change(client, heard)
                assert (await client.read_resource("queue://status")).contents
                assert (await client.get_prompt("work-loop", {"agent": "a"})).messages

    anyio.run(session, backend=loop)
