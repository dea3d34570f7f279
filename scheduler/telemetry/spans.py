"""Spans of OpenTelemetry: one for each enqueue, one for each run of a job, linked.

The context of the enqueue is stored with the task, so that the link also holds when hours, a
restart or another process lie between the two.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
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
    """The span of a job that is running; without OpenTelemetry it does nothing."""

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def ended(self, outcome: str, error: BaseException | str | None = None) -> None:
        """How the job ended: "completed", "failed", "released" … An error makes the span one."""
        if self._span is None or not self._span.is_recording():
            return
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute(name.OUTCOME, outcome)
        if error is None:
            return
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        kind = name.ERROR_OTHER if isinstance(error, str) else type(error).__qualname__
        self._span.set_attribute(name.ERROR_TYPE, kind)
        self._span.set_status(Status(StatusCode.ERROR, text[:1_000]))
        if isinstance(error, BaseException):
            self._span.record_exception(error)

    @property
    def traceparent(self) -> str | None:
        """The context of the span in W3C form, for work in another process; None without one."""
        return None if self._span is None else _traceparent(self._span)


@contextmanager
def running(task: Task) -> Iterator[Run]:
    """Around the run of a claimed task: a span of its own trace, linked to the enqueue.

    It is the current span inside, so that what the handler does, and enqueues, belongs to it.
    """
    if not tracing():
        yield Run()
        return
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
    with _tracer().start_as_current_span(
        f"run {task.agent_type}",
        context=Context(),  # not part of what started the workers, long ago
        kind=SpanKind.CONSUMER,
        attributes=attributes,
        links=_links(task.traceparent),
    ) as span:
        yield Run(span)


def _links(traceparent: str | None) -> list[Link]:
    if traceparent is None:
        return []
    from opentelemetry.trace import Link, get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carried = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    context = get_current_span(carried).get_span_context()
    return [Link(context)] if context.is_valid else []
