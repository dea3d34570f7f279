"""Resources and subscriptions, for clients of both eras."""

from __future__ import annotations

import json

import pytest
import trio
from mcp.client.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError

from scheduler.endpoint.resources import canonical
from tests.endpoint.in_process import LEGACY, MODERN, PATIENCE, Heard, serving, text_of

BOTH = pytest.mark.parametrize("mode", [LEGACY, MODERN])
STATUS = "queue://status"

# The SDK's client warns of what the era of 2026 does without.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


@BOTH
async def test_what_can_be_read(mode: str) -> None:
    """Each resource holds what the tool of its kind returns."""
    async with serving(mode) as (scheduler, client):
        task = await scheduler.enqueue("Build", group="a b/c")
        listed = [one.uri for one in (await client.list_resources()).resources]
        assert listed == [STATUS, "queue://guide"]
        patterns = (await client.list_resource_templates()).resource_templates
        assert [one.uri_template for one in patterns] == ["queue://plan/{group}", "task://{id}"]
        for uri, tool, arguments in (
            (STATUS, "task_queue_status", {}),
            ("queue://plan/a%20b%2Fc", "task_execution_plan", {"group": "a b/c"}),
            (f"task://{task.id}", "task_get", {"task_id": task.id}),
        ):
            content = (await client.read_resource(uri)).contents[0]
            expected = (await client.call_tool(tool, dict(arguments))).structured_content
            assert json.loads(text_of(content)) == expected
            assert (content.uri, content.mime_type) == (uri, "application/json")
        guide = (await client.read_resource("queue://guide")).contents[0]
        assert "lease_token" in text_of(guide)


@BOTH
@pytest.mark.parametrize("uri", ["queue://", "queue://plan/", "task://x", "file:///etc/passwd"])
async def test_what_cannot_be_read(mode: str, uri: str) -> None:
    """The error names what can be."""
    async with serving(mode) as (_, client):
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
        assert "task://{id}" in caught.value.data["allowed"]


@BOTH
async def test_a_hostile_uri_is_shown_harmless(mode: str) -> None:
    """Cut and escaped, in reading and in subscribing."""
    uri = "queue://\x1b[31m\u202e\u200b" + "x" * 500
    async with serving(mode) as (_, client):
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
        assert caught.value.data["received"].startswith("queue://\\x1b[31m\\u202e\\u200bxxx")
        assert len(caught.value.data["received"]) <= 80


@BOTH
async def test_a_task_that_is_not_there(mode: str) -> None:
    """The error is that of the tool."""
    async with serving(mode) as (_, client):
        with pytest.raises(MCPError) as caught:
            await client.read_resource("task://" + "0" * 13)
        assert caught.value.data["code"] == "unknown_task"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("queue://status/", STATUS),
        ("task://0AMTXREZJFFHZ/", "task://0amtxrezjffhz"),
        ("queue://plan/a b", "queue://plan/a%20b"),
        ("queue://plan/a%20b", "queue://plan/a%20b"),
        ("queue://plan", None),
        ("QUEUE://STATUS", None),
    ],
)
def test_one_spelling(uri: str, expected: str | None) -> None:
    """Subscribers are found however they spelled what they subscribed to."""
    assert canonical(uri) == expected


async def test_subscriptions_of_the_handshake_era() -> None:
    """Every change is told after its commit, until the client has heard enough."""
    heard = Heard()
    async with serving(LEGACY, heard=heard) as (scheduler, client):
        task = await scheduler.enqueue("Build")
        other = await scheduler.enqueue("Test")
        uri = f"task://{task.id.upper()}"
        await client.subscribe_resource(uri)
        await client.subscribe_resource(uri)
        await scheduler.update(other, base_priority=9)
        await scheduler.update(task, base_priority=9)
        await heard.next()
        assert heard.uris == [uri]
        await client.subscribe_resource(STATUS)
        await scheduler.update(other, base_priority=8)
        await heard.next()
        assert heard.uris == [uri, STATUS]
        await client.unsubscribe_resource(uri)
        await scheduler.update(task, base_priority=8)
        await heard.next()
        assert heard.uris == [uri, STATUS, STATUS]


async def test_subscriptions_of_2026() -> None:
    """A stream tells of what it was opened for, and of nothing else."""
    async with serving(MODERN) as (scheduler, client):
        task = await scheduler.enqueue("Build", group="g")
        other = await scheduler.enqueue("Test")
        uris = [f"task://{task.id}", "queue://plan/g"]
        async with client.listen(resource_subscriptions=uris) as stream:
            await scheduler.update(other, base_priority=9)
            await scheduler.cancel(task)
            with trio.fail_after(PATIENCE):
                told = [await anext(stream), await anext(stream)]
        assert set(told) == {ResourceUpdated(uri) for uri in uris}


@BOTH
async def test_a_burst_is_one_update(mode: str) -> None:
    """Hundreds of changes at once are told a few times: an update says "read it again"."""
    heard = Heard()
    async with serving(mode, heard=heard) as (scheduler, client):
        count = 0
        if mode == LEGACY:
            await client.subscribe_resource(STATUS)
            for n in range(300):
                await scheduler.enqueue(f"Task {n}")
            await heard.next()
            count = len(heard.uris)
        else:
            async with client.listen(resource_subscriptions=[STATUS]) as stream:
                for n in range(300):
                    await scheduler.enqueue(f"Task {n}")
                with trio.fail_after(PATIENCE):
                    await anext(stream)
                count = 1
                with trio.move_on_after(0.3):
                    async for _ in stream:
                        count += 1
        assert 1 <= count <= 10


async def test_paused_lanes_are_part_of_the_status() -> None:
    """A pause changes no task, but it changes the status, whoever made it."""
    heard = Heard()
    async with serving(LEGACY, "all", heard) as (scheduler, client):
        await client.subscribe_resource(STATUS)
        await client.call_tool("queue_pause", {"agent_type": "builder"})
        await heard.next()
        await scheduler.resume("builder")  # as another process or the command line does
        await heard.next()
        assert heard.uris == [STATUS, STATUS]


async def test_nobody_listens_nobody_watches() -> None:
    """The feed is read only while someone has subscribed."""
    heard = Heard()
    async with serving(LEGACY, heard=heard) as (scheduler, client):
        reads: list[object] = []
        read_changes = scheduler.read_changes

        async def counted(since: int | None, **options: float) -> object:
            reads.append(since)
            return await read_changes(since, **options)  # type: ignore[arg-type]

        scheduler.read_changes = counted  # type: ignore[method-assign, assignment]
        await scheduler.enqueue("before")
        assert not reads
        await client.subscribe_resource(STATUS)
        await scheduler.enqueue("during")
        await heard.next()
        await client.unsubscribe_resource(STATUS)
        before = len(reads)
        for n in range(5):
            await scheduler.enqueue(f"after {n}")
        assert len(reads) == before


async def test_what_cannot_be_subscribed_to() -> None:
    """A URI that is not ours is refused; another one still can be."""
    async with serving(LEGACY) as (_, client):
        with pytest.raises(MCPError, match="no resource"):
            await client.subscribe_resource("file:///etc/passwd")
        await client.subscribe_resource(STATUS)
