"""The MCP server over one scheduler: tools, resources, prompts and subscriptions.

It knows no transport. `stdio` and `http` run `Endpoint.server` on theirs, and `Endpoint.watch`
beside it.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import mcp_types as types
import trio
from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from scheduler.endpoint import prompts, resources, tools
from scheduler.endpoint.instructions import INSTRUCTIONS
from scheduler.endpoint.output import compact
from scheduler.endpoint.subscriptions import Subscriptions
from scheduler.handle import Handle

Context = ServerRequestContext[Any, Any]
Paging = types.PaginatedRequestParams | None

LASTING = CacheHint(ttl_ms=3_600_000, scope="public")  # changes with the version alone


class Endpoint:
    """One server, for any number of clients at a time."""

    def __init__(self, scheduler: Handle, profile: tools.Profile = "core") -> None:
        self._scheduler = scheduler
        self._profile: tools.Profile = profile
        self._subscriptions = Subscriptions(scheduler)
        self.server: Server[Any] = Server(
            "headrace",
            version=version("headrace"),
            title="headrace",
            description="A durable task queue for agents: dependencies, priorities, leases.",
            instructions=INSTRUCTIONS,
            cache_hints={
                "tools/list": LASTING,
                "prompts/list": LASTING,
                "resources/list": LASTING,
                "resources/templates/list": LASTING,
            },
            # No argument of a tool is repeated in a header: or else each stateless call over HTTP
            # would list all tools to find that out.
            get_tool_input_schema=lambda tool: None,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            on_subscribe_resource=self._subscriptions.subscribe,
            on_unsubscribe_resource=self._subscriptions.unsubscribe,
            on_subscriptions_listen=self._subscriptions.listen,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
        )
        # In the place of spans that nobody exports: a sixth of a call.
        self.server.middleware[:] = [repeat_no_method]

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Publish updates of resources to whoever has subscribed; runs until cancelled."""
        await self._subscriptions.run(task_status=task_status)

    async def _list_tools(self, context: Context, params: Paging) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools.listed(self._profile))

    async def _call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        answer = await tools.call(self._scheduler, self._profile, params.name, params.arguments)
        text, body = compact(answer.body)
        return types.CallToolResult(
            content=[types.TextContent(text=text)],
            structured_content=body,
            is_error=answer.is_error,
        )

    async def _list_resources(self, context: Context, params: Paging) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=resources.listed())

    async def _list_templates(
        self, context: Context, params: Paging
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=resources.templates())

    async def _read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        return await resources.read(self._scheduler, params.uri)

    async def _list_prompts(self, context: Context, params: Paging) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=prompts.listed())

    async def _get_prompt(
        self, context: Context, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        return prompts.get(params.name, params.arguments)


async def repeat_no_method(ctx: Context, call_next: CallNext) -> HandlerResult:
    """The SDK sends an unknown method back to whoever has called it, whatever its length."""
    try:
        return await call_next(ctx)
    except MCPError as error:
        if error.code == types.METHOD_NOT_FOUND:
            raise MCPError(types.METHOD_NOT_FOUND, "Method not found") from None
        raise
