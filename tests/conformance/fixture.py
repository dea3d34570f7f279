"""The server that the official suite tests: what it looks for, on the transports of headrace.

It offers nothing of headrace. What is tested is that sessions, streams, notifications, calls to
the client and refusals come through our side of HTTP as the protocol has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
import trio
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp.shared.exceptions import MCPError

from tests.conformance import contents
from tests.conformance.contents import text

Context = ServerRequestContext[Any, Any]
Paging = types.PaginatedRequestParams | None
Arguments = dict[str, Any]
Tool = Callable[[Context, Arguments], Awaitable[str]]

BRIEF = 0.05  # seconds between two notifications


class Fixture:
    """One server for the suite."""

    def __init__(self) -> None:
        self._bus = InMemorySubscriptionBus()
        self._tools: dict[str, Tool] = {
            "test_tool_with_logging": _log,
            "test_tool_with_progress": _progress,
            "test_sampling": _sample,
            "test_elicitation": _elicit,
            "test_elicitation_sep1034_defaults": _elicit_defaults,
            "test_elicitation_sep1330_enums": _elicit_choices,
            "test_error_handling": _fail,
            "test_missing_capability": _need_sampling,
            "test_streaming_elicitation": _progress,
            "test_logging_tool": _log,
            "test_trigger_tool_change": self._change_tools,
            "test_custom_headers": _echo,
            "json_schema_2020_12_tool": _echo,
        }
        hint = CacheHint(ttl_ms=60_000, scope="public")
        self.server: Server[Any] = Server(
            "fixture",
            version="1",
            cache_hints={
                "tools/list": hint,
                "prompts/list": hint,
                "resources/list": hint,
                "resources/templates/list": hint,
                "resources/read": hint,
            },
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=_list_resources,
            on_list_resource_templates=_list_templates,
            on_read_resource=_read_resource,
            on_subscribe_resource=_accept,
            on_unsubscribe_resource=_accept,
            on_subscriptions_listen=ListenHandler(self._bus),
            on_list_prompts=_list_prompts,
            on_get_prompt=_get_prompt,
            on_completion=_complete,
        )
        self.server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, _accept)

    async def _list_tools(self, context: Context, params: Paging) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=name,
                    description=f"What the suite expects of {name}.",
                    input_schema=contents.INPUTS.get(name, contents.NOTHING),
                )
                for name in (*contents.BLOCKS, *self._tools)
            ]
        )

    async def _call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        if params.name in contents.BLOCKS:
            return types.CallToolResult(content=contents.BLOCKS[params.name])
        if params.name not in self._tools:
            raise MCPError(types.INVALID_PARAMS, "no such tool")
        try:
            words = await self._tools[params.name](context, params.arguments or {})
        except ValueError as error:
            return types.CallToolResult(content=[text(str(error))], is_error=True)
        return types.CallToolResult(content=[text(words)])

    async def _change_tools(self, context: Context, arguments: Arguments) -> str:
        await self._bus.publish(ToolsListChanged())
        return "changed"


async def _log(context: Context, arguments: Arguments) -> str:
    for step in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        if _wants_log(context):
            await context.session.send_log_message(
                "info", step, related_request_id=context.request_id
            )
        await trio.sleep(BRIEF)
    return "logged"


def _wants_log(context: Context) -> bool:
    """Sessions always do; without one, a call says so itself."""
    level = "io.modelcontextprotocol/logLevel"
    return context.protocol_version < "2026" or level in (context.meta or {})


async def _progress(context: Context, arguments: Arguments) -> str:
    for part in (0, 50, 100):
        await context.session.report_progress(part, 100)
        await trio.sleep(BRIEF)
    return "done"


async def _sample(context: Context, arguments: Arguments) -> str:
    question = types.SamplingMessage(role="user", content=text(arguments["prompt"]))
    answer = await context.session.create_message(
        [question], max_tokens=100, related_request_id=context.request_id
    )
    assert isinstance(answer.content, types.TextContent)
    return f"LLM response: {answer.content.text}"


async def _ask(context: Context, message: str, wanted: dict[str, Any]) -> str:
    answer = await context.session.elicit_form(
        message, wanted, related_request_id=context.request_id
    )
    return f"action={answer.action}, content={json.dumps(answer.content)}"


async def _elicit(context: Context, arguments: Arguments) -> str:
    wanted = contents.schema(username={"type": "string"}, email={"type": "string"})
    return "User response: " + await _ask(context, arguments["message"], wanted)


async def _elicit_defaults(context: Context, arguments: Arguments) -> str:
    return "Elicitation completed: " + await _ask(context, "Who?", contents.DEFAULTS)


async def _elicit_choices(context: Context, arguments: Arguments) -> str:
    return "Elicitation completed: " + await _ask(context, "Which?", contents.CHOICES)


async def _fail(context: Context, arguments: Arguments) -> str:
    raise ValueError("This tool intentionally returns an error for testing")


async def _need_sampling(context: Context, arguments: Arguments) -> str:
    wanted = types.ClientCapabilities(sampling=types.SamplingCapability())
    if not context.session.check_client_capability(wanted):
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "sampling is needed",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return "can be done"


async def _echo(context: Context, arguments: Arguments) -> str:
    return json.dumps(arguments)


async def _accept(context: Context, params: Any) -> types.EmptyResult:
    return types.EmptyResult()


async def _list_resources(context: Context, params: Paging) -> types.ListResourcesResult:
    return types.ListResourcesResult(
        resources=[
            types.Resource(uri=uri, name=uri[7:], description="For the suite.", mime_type=kind)
            for uri, kind in contents.RESOURCES.items()
        ]
    )


async def _list_templates(context: Context, params: Paging) -> types.ListResourceTemplatesResult:
    return types.ListResourceTemplatesResult(resource_templates=[contents.TEMPLATE])


async def _read_resource(
    context: Context, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    uri = params.uri
    kind = contents.RESOURCES.get(uri, "application/json")
    if kind == "image/png":
        blob = types.BlobResourceContents(uri=uri, mime_type=kind, blob=contents.PNG)
        return types.ReadResourceResult(contents=[blob])
    if match := re.fullmatch(r"test://template/(\w+)/data", uri):
        data = {"id": match[1], "templateTest": True, "data": f"Data for ID: {match[1]}"}
        words = json.dumps(data)
    elif uri in contents.RESOURCES:
        words = f"This is the content of the {uri[7:].replace('-', ' ')} resource."
    else:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
    found = types.TextResourceContents(uri=uri, mime_type=kind, text=words)
    return types.ReadResourceResult(contents=[found])


async def _list_prompts(context: Context, params: Paging) -> types.ListPromptsResult:
    return types.ListPromptsResult(
        prompts=[
            types.Prompt(
                name=name,
                description="For the suite.",
                arguments=[types.PromptArgument(name=key, required=True) for key in keys],
            )
            for name, keys in contents.PROMPTS.items()
        ]
    )


async def _get_prompt(
    context: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult:
    given = params.arguments or {}
    parts: list[types.ContentBlock]
    match params.name:
        case "test_simple_prompt":
            parts = [text("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            parts = [text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")]
        case "test_prompt_with_embedded_resource":
            words = "Embedded resource content for testing."
            parts = [
                contents.embedded(given["resourceUri"], "text/plain", words),
                text("Please process the embedded resource above."),
            ]
        case "test_prompt_with_image":
            parts = [contents.image(), text("Please analyze the image above.")]
        case _:
            raise MCPError(types.INVALID_PARAMS, "no such prompt")
    return types.GetPromptResult(
        messages=[types.PromptMessage(role="user", content=part) for part in parts]
    )


async def _complete(context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    found = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
    return types.CompleteResult(completion=types.Completion(values=found, total=len(found)))
