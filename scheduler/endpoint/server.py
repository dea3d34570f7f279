"""The MCP server over one scheduler: tools, resources, prompts and subscriptions.

It knows no transport. `stdio` and `http` run `Endpoint.server` on theirs, and `Endpoint.watch`
beside it.
"""

from __future__ import annotations

from importlib.metadata import version

import mcp_types as types
import trio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from scheduler.endpoint import tools
from scheduler.endpoint.instructions import INSTRUCTIONS
from scheduler.handle import Scheduler

Context = ServerRequestContext[dict[str, object], object]


class Endpoint:
    """One server, for any number of clients at a time."""

    def __init__(self, scheduler: Scheduler, profile: tools.Profile = "core") -> None:
        self._scheduler = scheduler
        self._profile: tools.Profile = profile
        self.server: Server[dict[str, object]] = Server(
            "headrace",
            version=version("headrace"),
            title="headrace",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Publish updates of resources to whoever has subscribed; runs until cancelled."""
        task_status.started()
        await trio.sleep_forever()

    async def _list_tools(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools.listed(self._profile))

    async def _call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        answer = await tools.call(self._scheduler, self._profile, params.name, params.arguments)
        return types.CallToolResult(
            structured_content=answer.body, content=[], is_error=answer.is_error
        )
