"""Spans of enqueues and runs, as the SDK of OpenTelemetry exports them."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from scheduler import Scheduler, TaskSpec, connect, testing
from scheduler.telemetry.spans import begin, tracing


def _id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def _context_of(span: ReadableSpan) -> str:
    """As OpenTelemetry's own propagator writes it."""
    context = span.get_span_context()
    assert context is not None
    carrier: dict[str, str] = {}
    inside = trace.set_span_in_context(trace.NonRecordingSpan(context))
    TraceContextTextMapPropagator().inject(carrier, inside)
    return carrier["traceparent"]


async def test_an_enqueue_is_a_span_whose_context_the_task_keeps(
    scheduler: Scheduler, exported: InMemorySpanExporter
) -> None:
    """Named and described as messaging conventions say."""
    task = await scheduler.enqueue("Build", agent_type="builder", group="session-1")
    (span,) = exported.get_finished_spans()
    assert (span.name, span.kind) == ("enqueue builder", SpanKind.PRODUCER)
    assert dict(span.attributes or {}) == {
        "messaging.system": "headrace",
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
        "messaging.destination.name": "builder",
        "messaging.message.id": task.id,
        "messaging.message.conversation_id": "session-1",
    }
    assert task.traceparent == _context_of(span)
    assert (await scheduler.get(task)).traceparent == task.traceparent


async def test_a_batch_is_one_span(scheduler: Scheduler, exported: InMemorySpanExporter) -> None:
    """Which all its tasks keep, but for those that bring a context."""
    own = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    specs = [TaskSpec("One"), TaskSpec("Two", agent_type="b"), TaskSpec("Three", traceparent=own)]
    tasks = await scheduler.enqueue_many(specs)
    (span,) = exported.get_finished_spans()
    assert span.name == "enqueue"
    assert span.attributes is not None
    assert span.attributes["messaging.batch.message_count"] == 3
    assert "messaging.message.id" not in span.attributes
    assert [t.traceparent for t in tasks] == [_context_of(span), _context_of(span), own]


async def test_an_enqueue_belongs_to_the_span_around_it(
    scheduler: Scheduler, exported: InMemorySpanExporter
) -> None:
    """So a request's trace shows what it enqueued."""
    with trace.get_tracer("program").start_as_current_span("request"):
        await scheduler.enqueue("Build")
    enqueue, request = exported.get_finished_spans()
    assert enqueue.parent is not None
    assert enqueue.parent.span_id == _id_of(request)


async def test_a_refused_enqueue_is_an_error(
    scheduler: Scheduler, exported: InMemorySpanExporter
) -> None:
    """With the error as its event."""
    await scheduler.enqueue("Build", key="k")
    with pytest.raises(Exception, match="different request"):
        await scheduler.enqueue("Another", key="k")
    span = exported.get_finished_spans()[-1]
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


async def test_a_run_links_to_its_enqueue(
    scheduler: Scheduler, exported: InMemorySpanExporter
) -> None:
    """In a trace of its own, also when another span is current where the workers run."""
    await scheduler.enqueue("Build", agent_type="builder")
    claim = (await scheduler.claim("w"))[0]
    with trace.get_tracer("program").start_as_current_span("workers"):
        begin(claim.task).end("completed")
    enqueue, span, _ = exported.get_finished_spans()
    assert (span.name, span.kind, span.parent) == ("run builder", SpanKind.CONSUMER, None)
    assert [link.context.span_id for link in span.links] == [_id_of(enqueue)]
    assert span.links[0].context.is_remote
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "messaging.system": "headrace",
        "messaging.operation.name": "run",
        "messaging.operation.type": "process",
        "messaging.destination.name": "builder",
        "messaging.message.id": claim.task.id,
        "messaging.client.id": "w",
        "headrace.task.attempt": 1,
        "headrace.task.outcome": "completed",
    }


async def test_what_a_handler_enqueues_belongs_to_its_run(
    scheduler: Scheduler, exported: InMemorySpanExporter
) -> None:
    """And other spans that it makes."""
    await scheduler.enqueue("Build")
    claim = (await scheduler.claim("w"))[0]
    run = begin(claim.task)
    with run.current():
        child = await scheduler.enqueue("Child")
    run.end("completed")
    _, inner, outer = exported.get_finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == _id_of(outer)
    assert run.traceparent == _context_of(outer)
    assert child.traceparent == _context_of(inner)


async def test_the_link_holds_after_a_restart(
    tmp_path: Path, exported: InMemorySpanExporter
) -> None:
    """The context is in the file."""
    async with testing.open_scheduler(tmp_path / "t.db") as scheduler:
        await scheduler.enqueue("Build")
    async with testing.open_scheduler(tmp_path / "t.db") as scheduler:
        begin((await scheduler.claim("w"))[0].task).end("completed")
    enqueue, span = exported.get_finished_spans()
    assert [link.context.span_id for link in span.links] == [_id_of(enqueue)]


async def test_the_context_crosses_to_the_owner_of_the_file(
    tmp_path: Path, exported: InMemorySpanExporter
) -> None:
    """From another handle on it."""
    async with connect(tmp_path / "t.db") as owner, connect(tmp_path / "t.db") as guest:
        task = await guest.enqueue("Build")
        assert (await owner.get(task)).traceparent == task.traceparent
    assert task.traceparent == _context_of(exported.get_finished_spans()[0])


@pytest.mark.parametrize(("raised", "kind"), [("LookupError", "LookupError"), (None, "_OTHER")])
async def test_a_failed_run_is_an_error(
    scheduler: Scheduler, exported: InMemorySpanExporter, raised: str | None, kind: str
) -> None:
    """Of the exception's class, if there was one; its story is the event of the span."""
    await scheduler.enqueue("Build")
    claim = (await scheduler.claim("w"))[0]
    begin(claim.task).end("failed", "it failed\nTraceback", raised)
    span = exported.get_finished_spans()[-1]
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "it failed")
    facts = dict(span.attributes or {})
    assert (facts["error.type"], facts["headrace.task.outcome"]) == (kind, "failed")
    stories = [(event.attributes or {})["exception.stacktrace"] for event in span.events]
    assert stories == (["it failed\nTraceback"] if raised else [])


async def test_a_trace_that_is_not_sampled_is_still_linked(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flags of the context say that nobody keeps it."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider(sampler=ALWAYS_OFF))
    task = await scheduler.enqueue("Build")
    assert task.traceparent is not None
    assert int(task.traceparent[-2:], 16) & trace.TraceFlags.SAMPLED == 0
    begin(task).end("failed", "why")


async def test_a_key_knows_its_request_again_in_another_trace(
    scheduler: Scheduler, exported: InMemorySpanExporter
) -> None:
    """The context is no part of what was asked for."""
    first = await scheduler.enqueue("Build", key="k")
    again = await scheduler.enqueue("Build", key="k")
    assert again.existing
    assert again.traceparent == first.traceparent
    assert len(exported.get_finished_spans()) == 2


async def test_without_a_provider_there_are_no_spans(scheduler: Scheduler) -> None:
    """OpenTelemetry is imported here, and nobody set it up."""
    assert not tracing()
    task = await scheduler.enqueue("Build")
    assert task.traceparent is None
    run = begin(task)
    with run.current():
        assert not trace.get_current_span().is_recording()
    assert run.traceparent is None
    run.end("completed")
