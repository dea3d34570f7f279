"""What a client of the endpoint sees, over whichever transport."""

from __future__ import annotations

from typing import Any, Protocol


class SessionEndedError(Exception):
    """The server's process has gone; what became of the call is unknown."""


class ToolError(Exception):
    """A tool answered with an error: `body`."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(f"{body.get('code')}: {body.get('message')}")
        self.body = body

    @property
    def code(self) -> str:
        """What went wrong, in one word."""
        return str(self.body.get("code"))


class Caller(Protocol):
    """One conversation with a server, one call at a time."""

    @property
    def pid(self) -> int:
        """The process that answers."""
        ...

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a tool's answer. Raises ToolError, SessionEndedError."""
        ...


def content_of(result: dict[str, Any]) -> dict[str, Any]:
    """The structured content of a tool's result. Raises ToolError."""
    body: dict[str, Any] = result["structuredContent"]
    if result.get("isError"):
        raise ToolError(body)
    return body
