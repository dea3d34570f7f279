"""Calls tools as a server does, and checks what holds for every answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from scheduler import Scheduler, open_scheduler
from scheduler.endpoint import tools
from tests.flows.conftest import run_on_virtual_time, virtual_wall

virtual = pytest.mark.trio(run=run_on_virtual_time)
UNKNOWN_ID = "0000000000001"
FACTS = {
    "code",
    "message",
    "field",
    "received",
    "allowed",
    "hint",
    "retryable",
    "retry_after_s",
    "path",
    "outcome",
    "pid",
}


class Caller:
    """An agent: `await agent("task_get", task_id=...)` returns the body of a success."""

    def __init__(self, scheduler: Scheduler, profile: tools.Profile = "all") -> None:
        self.scheduler = scheduler
        self._profile = profile

    async def __call__(self, name: str, **arguments: Any) -> dict[str, Any]:
        answer = await tools.call(self.scheduler, self._profile, name, arguments)
        assert not answer.is_error, answer.body
        schema = tools.EVERY[name].listed().output_schema
        assert schema is not None
        body: dict[str, Any] = json.loads(json.dumps(answer.body))
        jsonschema.validate(body, schema)
        assert set(body) <= set(schema["properties"]), "fields that the schema does not name"
        return body

    async def refused(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The body of an error."""
        answer = await tools.call(self.scheduler, self._profile, name, arguments)
        assert answer.is_error, answer.body
        body = answer.body
        assert {"code", "message", "retryable", "hint"} <= set(body) <= FACTS
        assert json.dumps(body, ensure_ascii=False).isascii()
        assert len(str(body.get("received", ""))) <= 80
        for word in ("delete", "reset", "force", "Traceback"):
            assert word not in json.dumps(body)
        for tool in tools.EVERY.values():  # some clients check errors, too
            jsonschema.validate(body, tool.listed().output_schema or {})
        return body

    async def enqueue(self, description: str = "work", **fields: Any) -> str:
        """The id of a new task."""
        made = await self("task_enqueue", description=description, **fields)
        return str(made["task_id"])

    async def claim(self, **arguments: Any) -> dict[str, str]:
        """Task id and lease token of the one task that is handed out."""
        (claim,) = (await self("task_claim", agent="anna", **arguments))["claims"]
        return {name: claim[name] for name in ("task_id", "lease_token")}


@asynccontextmanager
async def calling(profile: tools.Profile = "all") -> AsyncIterator[Caller]:
    """An agent on a fresh scheduler in memory, whose time is Trio's."""
    async with open_scheduler(wall_clock=virtual_wall) as scheduler:
        yield Caller(scheduler, profile)
