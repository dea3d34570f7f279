"""What can be read by URI: the same answers as the tools give, and the guide.

queue://status        the queue in numbers          task_queue_status
queue://plan/{group}  how a group's tasks can run   task_execution_plan
task://{id}           one task                      task_get
queue://guide         how to work with the queue
"""

from __future__ import annotations

from urllib.parse import quote, unquote

import mcp_types as types
from mcp.shared.exceptions import MCPError

from scheduler.domain import ids
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.task import Task
from scheduler.endpoint import tools
from scheduler.endpoint.guide import GUIDE
from scheduler.endpoint.output import compact
from scheduler.endpoint.toolkit.words import shown
from scheduler.handle import Handle

STATUS = "queue://status"
GUIDE_URI = "queue://guide"
PLAN = "queue://plan/"
TASK = "task://"
KNOWN = f"{STATUS}, {PLAN}{{group}}, {TASK}{{id}} or {GUIDE_URI}"
JSON, MARKDOWN = "application/json", "text/markdown"


def listed() -> list[types.Resource]:
    """The resources that are always there."""
    return [
        types.Resource(
            uri=STATUS,
            name="queue-status",
            title="Queue status",
            description="The queue in numbers, as of task_queue_status. Can be subscribed to.",
            mime_type=JSON,
        ),
        types.Resource(
            uri=GUIDE_URI,
            name="guide",
            title="Guide",
            description="How to plan work and how to do it with this queue.",
            mime_type=MARKDOWN,
        ),
    ]


def templates() -> list[types.ResourceTemplate]:
    """The resources that have a name in them."""
    return [
        types.ResourceTemplate(
            uri_template=PLAN + "{group}",
            name="plan",
            title="Plan of a group",
            description="Batches and critical path of a group's tasks, as of task_execution_plan.",
            mime_type=JSON,
        ),
        types.ResourceTemplate(
            uri_template=TASK + "{id}",
            name="task",
            title="Task",
            description="One task with its neighbors, as of task_get. Can be subscribed to.",
            mime_type=JSON,
        ),
    ]


def canonical(uri: str) -> str | None:
    """The one spelling of a URI of ours; None for a URI that is not.

    Clients may end it with a slash, write an id in capitals, or quote a group as they like.
    """
    if uri.rstrip("/") in (STATUS, GUIDE_URI):
        return uri.rstrip("/")
    if uri.startswith(PLAN) and (group := unquote(uri.removeprefix(PLAN))):
        return plan_uri(group)
    if uri.startswith(TASK):
        try:
            return TASK + ids.encode(ids.decode(uri.removeprefix(TASK).rstrip("/")))
        except InvalidRequest:
            return None
    return None


def plan_uri(group: str) -> str:
    return PLAN + quote(group, safe="", errors="replace")


def touched_by(task: Task) -> list[str]:
    """The canonical URIs whose content a change of this task changes."""
    uris = [STATUS, TASK + task.id]
    return uris if task.group is None else [*uris, plan_uri(task.group)]


async def read(scheduler: Handle, uri: str) -> types.ReadResourceResult:
    """The content behind a URI. Raises MCPError with the tool's error as its data."""
    target = canonical(uri)
    if target == GUIDE_URI:
        return _content(uri, MARKDOWN, GUIDE)
    if target == STATUS:
        return await _answer(scheduler, uri, "task_queue_status", {})
    if target is not None and target.startswith(PLAN):
        group = unquote(target.removeprefix(PLAN))
        return await _answer(scheduler, uri, "task_execution_plan", {"group": group})
    if target is None:
        raise unknown(uri)
    return await _answer(scheduler, uri, "task_get", {"task_id": target.removeprefix(TASK)})


def unknown(uri: str) -> MCPError:
    """The error for a URI that no resource has."""
    body = {"code": "unknown_resource", "field": "uri", "received": shown(uri), "allowed": KNOWN}
    return MCPError(types.INVALID_PARAMS, "no resource has this URI", compact(body)[1])


async def _answer(
    scheduler: Handle, uri: str, tool: str, arguments: dict[str, str]
) -> types.ReadResourceResult:
    answer = await tools.call(scheduler, "core", tool, arguments)
    text, body = compact(answer.body)
    if answer.is_error:
        raise MCPError(types.INVALID_PARAMS, str(body.get("message", "it cannot be read")), body)
    return _content(uri, JSON, text)


def _content(uri: str, mime_type: str, text: str) -> types.ReadResourceResult:
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)]
    )
