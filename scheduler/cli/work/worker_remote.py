"""The queue of a worker behind `headrace serve`: each call is one of the tools over HTTP.

A client is made anew for each call, over connections that are kept: the stateless protocol needs
no session, and a server that was away costs the calls of that time only.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import httpx2
from mcp import MCPError
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from scheduler.cli.work.worker_address import Address
from scheduler.cli.work.worker_failures import no_answer
from scheduler.cli.work.worker_queue import Failed, Wanted, Work, failed_of, work_of
from scheduler.domain import errors
from scheduler.domain.errors import InvalidRequest, SchedulerError, StoreError, StoreUnavailable
from scheduler.domain.views import Idle

T = TypeVar("T")

RELEASE = "task_release"  # offered with `serve --tools all`
PROTOCOL = "2026-07-28"  # the stateless one
CALL_SECONDS = 20.0  # beyond what a call itself waits
TOLD: dict[str, type[SchedulerError]] = {
    kind.code: kind
    for kind in (
        errors.AlreadyFinished,
        errors.LeaseLost,
        errors.Overloaded,
        errors.TooLarge,
        errors.UnknownTask,
    )
}


@asynccontextmanager
async def open_url(address: Address, wanted: Wanted) -> AsyncIterator[RemoteQueue]:
    """The queue that is served at this address, which has answered once.

    No proxy of the environment is used: it would read the token.
    """
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # what fails is told by us
    timeout = httpx2.Timeout(CALL_SECONDS, read=None)
    certificates = httpx2.create_ssl_context()  # those of the environment do count
    async with httpx2.AsyncClient(timeout=timeout, trust_env=False, verify=certificates) as http:
        queue = RemoteQueue(address, wanted, http)
        await queue.look()
        yield queue


class RemoteQueue:
    """A Queue through the tools of the endpoint.

    The token file is read at each call, so that a replaced token counts from then on.
    """

    def __init__(self, address: Address, wanted: Wanted, http: httpx2.AsyncClient) -> None:
        self._url = address.url
        self._token_file = address.token_file
        self._wanted = wanted
        self._http = http
        self.can_release = True  # as far as is known

    async def look(self) -> None:
        """Learn what the server offers. Raises SchedulerError if it is none, or lets nobody in."""
        offered = await self._ask(lambda client: client.list_tools())
        self.can_release = RELEASE in {tool.name for tool in offered.tools}

    async def claim(self, limit: int, wait: float) -> list[Work] | Idle:
        answer = await self._call(
            "task_claim",
            wait,
            agent=self._wanted.holder,
            agent_types=list(self._wanted.agent_types),
            limit=limit,
            lease_seconds=self._wanted.lease,
            wait_seconds=wait,
        )
        if answer["claims"]:
            return [work_of(claim) for claim in answer["claims"]]
        until = answer["until"]
        return Idle(answer["reason"], None if until is None else datetime.fromisoformat(until))

    async def heartbeat(self, work: Work) -> None:
        await self._of_lease("task_heartbeat", work)

    async def complete(self, work: Work, result: Any) -> None:
        await self._of_lease("task_complete", work, result=result)

    async def fail(self, work: Work, error: str, retryable: bool) -> Failed:
        return failed_of(await self._of_lease("task_fail", work, error=error, retryable=retryable))

    async def release(self, work: Work) -> None:
        if not self.can_release:
            raise StoreUnavailable(f"the server offers no {RELEASE}")
        await self._of_lease(RELEASE, work)

    async def _of_lease(self, tool: str, work: Work, **arguments: Any) -> dict[str, Any]:
        return await self._call(
            tool, 0.0, task_id=work.task_id, lease_token=work.token, **arguments
        )

    async def _call(self, tool: str, wait: float, **arguments: Any) -> dict[str, Any]:
        answer = await self._ask(
            lambda client: client.call_tool(
                tool, arguments, read_timeout_seconds=wait + CALL_SECONDS
            )
        )
        body = answer.structured_content
        if not isinstance(body, dict):
            raise self._no_answer(None)
        if answer.is_error:
            raise _told(body)
        return body

    async def _ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        self._http.headers["Authorization"] = f"Bearer {self._token()}"
        transport = streamable_http_client(
            self._url, http_client=self._http, max_sse_event_size=None
        )
        try:
            async with Client(transport, mode=PROTOCOL, cache=None) as client:
                return await question(client)
        except Exception as error:
            raise self._no_answer(_first(error)) from None

    def _token(self) -> str:
        try:
            return self._token_file.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise StoreUnavailable(
                f"the token file cannot be read: {getattr(error, 'strerror', None) or error}",
                field="--token-file",
                received=str(self._token_file),
                allowed="the file with the bearer token of the server",
                hint="`headrace serve` makes one when it starts; --token-file names another.",
            ) from None

    def _no_answer(self, error: Exception | None) -> StoreUnavailable:
        return no_answer(self._url, str(self._token_file), error)


def _first(error: Exception) -> Exception:
    """Of errors that came together, the first; a bug goes up as it is.

    A ValueError is an answer that is no MCP.
    """
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, MCPError | httpx2.HTTPError | OSError | ValueError):
        raise error
    return error


def _told(body: dict[str, Any]) -> SchedulerError:
    """The error in an answer, as the handle would have raised it."""
    code, retryable = body.get("code"), body.get("retryable")
    if retryable or code == errors.SchedulerClosed.code:
        other: type[SchedulerError] = StoreUnavailable
    else:
        other = StoreError if str(code).startswith("store_") else InvalidRequest
    kind = TOLD.get(str(code), other)
    facts = {name: body.get(name) for name in ("field", "received", "allowed", "hint")}
    return kind(str(body.get("message", code)), **facts)
