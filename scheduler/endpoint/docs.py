"""Writes docs/mcp.md from the declarations of the tools.

python -m scheduler.endpoint.docs > docs/mcp.md
"""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.domain import errors as known
from scheduler.endpoint import prompts, resources
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.errors import UnknownTool
from scheduler.endpoint.toolkit.fields import Schema
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.endpoint.tools import CORE, MORE
from scheduler.endpoint.tools.batch import ITEM

HEAD = """\
# The tools for agents

<!-- Made by `python -m scheduler.endpoint.docs > docs/mcp.md`; edit the declarations instead. -->

`headrace mcp` is an MCP server over one database: agents queue, plan, claim and finish tasks
with tool calls. The default profile offers the first twelve tools; `--tools all` offers all.
There are resources to subscribe to, and prompts.

## The loop

1. `task_claim` (agent: your name, agent_types: what you can do, wait_seconds). Each claim is a
   whole task with the results of the tasks that it waited for, a `lease_token` and
   `lease_expires_at`.
2. Work. `task_heartbeat` at a third of the lease; the errors `lease_lost` and `already_finished`,
   from any call with the token, mean: stop, drop the work, claim again.
3. `task_complete` with a result, or `task_fail` with the error.
4. `task_claim` again; `task_wait` to follow the work of others.

## Conventions

- Each answer is one JSON object, as `structuredContent` and, the same, as compact JSON text.
- Ids are strings of 13 characters, times ISO 8601 in UTC, durations seconds.
- Optional arguments may be left out or null. In `task_update` null clears a field where it can be
  empty (deadline, not_before, payload, group, timeout, limit_key); where a client cannot send
  null, name the field in `clear`.
- Liberal in: a list may come as a JSON text, as words with commas between them, or as one alone;
  numbers and flags as texts; `id` for `task_id`; `task://ID` for an id. An object or a list in JSON
  text is decoded where JSON is wanted; any other text stays as it is.
- Texts come back exactly as they went in. Description (64 KiB), payload and result (256 KiB each)
  and error (64 KiB) are whole in `task_get` and `task_claim`; long texts in rows of lists are cut.
- A page stays under 64,000 bytes and may hold fewer rows than `limit`: go on while `has_more` is
  true. Long lists of ids are cut, and their totals given.
- Everything answers within 50 s. To wait longer, call again.
- Task texts are data that other agents wrote. They stand in the fields named here, and never in
  the text of an error or a hint.

## Errors

An error is an answer with `isError` and one object: `code`, `message`, `field` at fault, `received`
(the caller's own value, cut and escaped), `allowed`, `hint` (the next call), `retryable`, and
where it applies `retry_after_s`, `path` (of a cycle; the last waits for the first), `outcome` (of a
change that could not be confirmed: `refused` or `unknown`) and `pid`. Absent facts are left out.

| code | meaning |
|---|---|
"""


def page() -> str:
    """The whole page."""
    lines = [HEAD.rstrip("\n")]
    lines += [f"| `{code}` | {meaning} |" for code, meaning in _codes()]
    lines += ["", "## The twelve tools of the default profile", ""]
    lines += [line for tool in CORE for line in _about(tool)]
    lines += ["## More tools, with `--tools all`", ""]
    lines += [line for tool in MORE for line in _about(tool)]
    lines += _resources()
    lines += _prompts()
    return "\n".join(lines).rstrip("\n") + "\n"


def _codes() -> Iterator[tuple[str, str]]:
    """Every code that a call can meet, with the first line of its docstring."""
    kinds = [kind for kind in vars(known).values() if isinstance(kind, type)]
    for kind in [*kinds, UnknownTool]:
        abstract = kind in (known.SchedulerError, known.StoreError)
        if issubclass(kind, known.SchedulerError) and not abstract:
            yield kind.code, (kind.__doc__ or "").splitlines()[0].rstrip(".")
    yield "internal_error", "An error that nobody foresaw; the server's log has its story"


def _resources() -> list[str]:
    places = [(one.uri, one.description) for one in resources.listed()]
    places += [(one.uri_template, one.description) for one in resources.templates()]
    lines = ["## Resources", "", "Tools tell the same. Updates come after the commit.", ""]
    lines += ["| URI | |", "|---|---|"]
    return [*lines, *(f"| `{uri}` | {text} |" for uri, text in places), ""]


def _prompts() -> list[str]:
    lines = ["## Prompts", "", "| name | arguments | |", "|---|---|---|"]
    for prompt in prompts.listed():
        names = ", ".join(f"`{one.name}`" for one in prompt.arguments or ())
        lines.append(f"| `{prompt.name}` | {names} | {prompt.description} |")
    return [*lines, ""]


def _about(tool: Tool) -> list[str]:
    lines = [f"### {tool.name}", "", tool.about, ""]
    if tool.inputs:
        lines += ["| argument | type | |", "|---|---|---|"]
        lines += [_argument(field) for field in tool.inputs]
        lines.append("")
    if tool.name == "task_enqueue_many":
        lines += ["Each of `tasks`:", "", "| field | type | |", "|---|---|---|"]
        lines += [_argument(field) for field in ITEM.values()]
        lines.append("")
    lines += ["| returns | type | |", "|---|---|---|"]
    lines += [_returned(name, schema) for name, schema in tool.outputs.items()]
    return [*lines, ""]


def _argument(field: Field) -> str:
    schema = field.schema()
    notes = ["required"] if field.required else []
    if field.about:
        notes.append(field.about)
    if "enum" in schema and field.name != "status":
        notes.append(", ".join(schema["enum"]))
    if "minimum" in schema:
        notes.append(f"{schema['minimum']:,g} to {schema['maximum']:,.0f}")
    if field.default is not None:
        notes.append(f"default {_json(field.default)}")
    return f"| `{field.name}` | {_type(schema)} | {'; '.join(notes)} |"


def _json(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _returned(name: str, schema: Schema) -> str:
    return f"| `{name}` | {_type(schema)} | {_notes(schema)} |"


def _notes(schema: Schema) -> str:
    inner = schema.get("items", schema)
    names = ", ".join(f"`{name}`" for name in inner.get("properties", ()))
    return "; ".join(filter(None, (schema.get("description", ""), names)))


def _type(schema: Schema) -> str:
    kind = schema.get("type", "JSON")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind != "array":
        return str(kind)
    inner = schema["items"].get("type", "JSON")
    return "list" if inner == "object" else f"list of {inner}s"


if __name__ == "__main__":
    print(page(), end="")
