"""Spans of OpenTelemetry: one for each enqueue, one for each run of a job, linked.

The context of the enqueue is stored with the task, so that the link also holds when hours, a
restart or another process lie between the two.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from scheduler.domain.request import Request
from scheduler.domain.task import Task
from scheduler.telemetry import conventions as name

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Span, Tracer, TracerProvider

_tracers: list[tuple[TracerProvider, Tracer]] = []  # the last one


def tracing() -> bool:
    """Whether the program has imported OpenTelemetry and set a provider of spans."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return False
    return type(trace.get_tracer_provider()).__module__ != "opentelemetry.trace"


def _tracer() -> Tracer:
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    if not _tracers or _tracers[0][0] is not provider:
        _tracers[:] = [(provider, provider.get_tracer(name.SCOPE, name.version()))]
    return _tracers[0][1]


# ------------------------------------------------------------------- enqueue


async def enqueue(
    requests: Sequence[Request], send: Callable[[list[Request]], Awaitable[list[Task]]]
) -> list[Task]:
    """Send requests inside a span, each with its context unless it brings one."""
    from opentelemetry.trace import SpanKind

    tracer = _tracer()
    with tracer.start_as_current_span(
        _named("enqueue", {request.agent_type for request in requests}),
        kind=SpanKind.PRODUCER,
        attributes=_attributes_of(requests),
    ) as span:
        context = _traceparent(span)
        tasks = await send(
            [
                replace(request, traceparent=context) if request.traceparent is None else request
                for request in requests
            ]
        )
        if len(tasks) == 1:
            span.set_attribute(name.MESSAGE_ID, tasks[0].id)
        return tasks


def _named(operation: str, lanes: set[str]) -> str:
    return f"{operation} {next(iter(lanes))}" if len(lanes) == 1 else operation


def _attributes_of(requests: Sequence[Request]) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        name.SYSTEM: name.SCOPE,
        name.OPERATION: "enqueue",
        name.OPERATION_TYPE: "send",
    }
    if len(requests) != 1:
        attributes[name.BATCH_COUNT] = len(requests)
    for attribute, field in ((name.DESTINATION, "agent_type"), (name.CONVERSATION, "group")):
        values = {getattr(request, field) for request in requests}
        if len(values) == 1 and None not in values:
            attributes[attribute] = values.pop()
    return attributes


def _traceparent(span: Span) -> str | None:
    """The W3C form of the span's context."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 0xFF:02x}"


# ------------------------------------------------------------------- run


class Run:
    """The span of a job that runs; without OpenTelemetry it does nothing."""

    __slots__ = ("_span",)

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def current(self) -> AbstractContextManager[object]:
        """A block in which it is the current span; what is started there inherits it."""
        if self._span is None:
            return nullcontext()
        from opentelemetry.trace import use_span

        return use_span(self._span, record_exception=False, set_status_on_exception=False)

    def end(self, outcome: str, story: str | None = None, error_type: str | None = None) -> None:
        """The job has ended: "completed", "failed", "released" or "lost".

        A `story` makes it an error; its first line says what was wrong. `error_type` is the class
        of the exception, if it was one. The exception itself stays out: to look at it can run
        code of the handler's.
        """
        if self._span is None:
            return
        self._span.set_attribute(name.OUTCOME, outcome)
        if story is not None:
            self._tell_error(self._span, story, error_type)
        self._span.end()

    def _tell_error(self, span: Span, story: str, error_type: str | None) -> None:
        from opentelemetry.trace import Status, StatusCode

        span.set_status(Status(StatusCode.ERROR, story.partition("\n")[0]))
        span.set_attribute(name.ERROR_TYPE, error_type or name.ERROR_OTHER)
        if error_type is not None:
            facts = {name.EXCEPTION_TYPE: error_type, name.EXCEPTION_STACKTRACE: story}
            span.add_event(name.EXCEPTION, facts)

    @property
    def traceparent(self) -> str | None:
        """The context of the span in W3C form, for work in another process; None without one."""
        return None if self._span is None else _traceparent(self._span)


NO_RUN = Run()


def begin(task: Task) -> Run:
    """The run of a claimed task begins: a span of a trace of its own, linked to the enqueue."""
    if not tracing():
        return NO_RUN
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind

    attributes: dict[str, Any] = {
        name.SYSTEM: name.SCOPE,
        name.OPERATION: "run",
        name.OPERATION_TYPE: "process",
        name.DESTINATION: task.agent_type,
        name.MESSAGE_ID: task.id,
        name.ATTEMPT: task.attempt,
    }
    if task.holder is not None:
        attributes[name.CLIENT] = task.holder
    if task.group is not None:
        attributes[name.CONVERSATION] = task.group
    span = _tracer().start_span(
        f"run {task.agent_type}",
        context=Context(),  # not part of what started the workers, long ago
        kind=SpanKind.CONSUMER,
        attributes=attributes,
        links=_links(task.traceparent),
    )
    return Run(span)


def _links(traceparent: str | None) -> list[Link]:
    if traceparent is None:
        return []
    from opentelemetry.trace import Link, get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carried = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    context = get_current_span(carried).get_span_context()
    return [Link(context)] if context.is_valid else []
