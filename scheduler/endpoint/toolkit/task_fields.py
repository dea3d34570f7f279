"""The arguments that describe a task, shared by the tools that make and change tasks."""

from __future__ import annotations

from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import TEN_YEARS
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.fields import Choice, Id, Json, Moment, Number, Several, Text

ID_ALIASES = ("id", "task")

TASK_ID = Field("task_id", Id(), required=True, aliases=ID_ALIASES)
LEASE_TOKEN = Field("lease_token", Text(), "from task_claim", required=True, aliases=("token",))

DESCRIPTION = Field("description", Text(), "what is to be done, up to 64 KiB", required=True)
PREREQUISITES = Field("prerequisites", Several(Id()), "ids that must succeed first")
RUN_AFTER = Field("run_after", Several(Id()), "ids that must only end first, however")
SOURCE = Field("source", Choice(tuple(SOURCE_SCORES)), "who asks; default human")
AGENT_TYPE = Field("agent_type", Text(), "who can do it; default general")
BASE_PRIORITY = Field("base_priority", Number(0, 10, whole=True), "default 5")
DEADLINE = Field("deadline", Moment(), "with time zone")
SUMMARY = Field("summary", Text(), "up to 140 characters; default: first line")
KEY = Field(
    "key",
    Text(),
    "the same key and arguments again give the task that is there; any other argument is a "
    "key_conflict, so compute times once and repeat them",
)
GROUP = Field("group", Text(), "session, feature or plan")
PARENT_ID = Field("parent_id", Id(), "task that spawned it")
NOT_BEFORE = Field("not_before", Moment(), "earliest start")
ESTIMATE = Field(
    "estimated_duration", Number(0, TEN_YEARS), "seconds; default: learned from agent_type"
)
PAYLOAD = Field("payload", Json(), "any JSON for the worker, up to 256 KiB")
MAX_ATTEMPTS = Field("max_attempts", Number(1, 1_000, whole=True), "default 3")
TIMEOUT = Field("timeout", Number(0.001, TEN_YEARS), "seconds for one attempt")
LIMIT_KEY = Field("limit_key", Text(), "shares the limit of this name, if one is set")

NEW_TASK = (
    DESCRIPTION,
    SOURCE,
    AGENT_TYPE,
    BASE_PRIORITY,
    PREREQUISITES,
    DEADLINE,
    RUN_AFTER,
    SUMMARY,
    KEY,
    GROUP,
    PARENT_ID,
    NOT_BEFORE,
    ESTIMATE,
    PAYLOAD,
    MAX_ATTEMPTS,
    TIMEOUT,
    LIMIT_KEY,
)
