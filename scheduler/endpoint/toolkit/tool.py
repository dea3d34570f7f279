"""A tool: one declaration, from which come its listing, its parsing, its answer and its page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from scheduler.endpoint.toolkit import arguments
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.fields import Schema
from scheduler.endpoint.toolkit.returns import root
from scheduler.shapes import Shape

if TYPE_CHECKING:
    import mcp_types

# reads: changes nothing; adds: makes or moves tasks; ends: takes something away
Effect = Literal["reads", "adds", "ends"]


class Tool(msgspec.Struct, frozen=True):
    """See the module. `answer` is called with the scheduler and the parsed arguments by name."""

    name: str
    title: str
    about: str
    effect: Effect
    inputs: tuple[Field, ...]
    outputs: dict[str, Schema]
    answer: Callable[..., Awaitable[Shape]]
    repeatable: bool = False  # a second call with the same arguments changes nothing more
    makes_tasks: bool = False  # its arguments are fields of tasks
    waits: bool = False  # for up to wait_seconds, and only its caller can use the answer
    by_name: dict[str, Field] = {}  # the inputs

    def __post_init__(self) -> None:
        self.by_name.update((field.name, field) for field in self.inputs)

    def parse(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call, proved."""
        return arguments.parse(self.by_name, given, self.name)

    def asks_to_wait(self, given: Mapping[str, Any]) -> bool:
        """Whether a call with these arguments may wait for something."""
        if not self.waits:
            return False
        seconds = given.get("wait_seconds")
        if seconds is None:
            seconds = self.by_name["wait_seconds"].default
        return bool(seconds)

    def listed(self) -> mcp_types.Tool:
        """As a client sees it."""
        import mcp_types

        reads = self.effect == "reads"
        return mcp_types.Tool(
            name=self.name,
            title=self.title,
            description=self.about,
            input_schema=arguments.schema_of(self.inputs),
            output_schema=root(self.outputs),
            annotations=mcp_types.ToolAnnotations(
                read_only_hint=reads,
                destructive_hint=self.effect == "ends",
                idempotent_hint=reads or self.repeatable,
                open_world_hint=False,
            ),
        )
