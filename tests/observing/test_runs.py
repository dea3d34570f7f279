"""The span of a job, whatever kind its handler is of."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import pytest
import trio
import trio.lowlevel
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import scheduler.asyncio as for_asyncio
from scheduler import BlockingJob, Job, Scheduler, TaskSpec, open_scheduler

in_real_time = pytest.mark.trio(run=trio.run)  # threads and asyncio take some
pytestmark = pytest.mark.filterwarnings("ignore:'AbstractChildWatcher':DeprecationWarning")


def _of(exported: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exported.get_finished_spans() if span.name == name]


def _trace_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


def _linked(runs: Sequence[ReadableSpan]) -> list[int]:
    return [link.context.trace_id for span in runs for link in span.links]


async def _in_trio(job: Job) -> None:
    await trio.lowlevel.checkpoint()
    with trace.get_tracer("handler").start_as_current_span("inside"):
        await job.enqueue("Child", agent_type="nobody")


async def _in_asyncio(job: Job) -> None:
    await asyncio.sleep(0)
    with trace.get_tracer("handler").start_as_current_span("inside"):
        await job.enqueue("Child", agent_type="nobody")


def _in_thread(job: BlockingJob) -> None:
    with trace.get_tracer("handler").start_as_current_span("inside"):
        job.enqueue("Child", agent_type="nobody")


def _register(scheduler: Scheduler, kind: str) -> None:
    match kind:
        case "trio":
            scheduler.handler("work")(_in_trio)
        case "asyncio":
            scheduler.handler("work", kind="asyncio")(_in_asyncio)
        case "asyncio thread":
            scheduler.handler("work", kind="asyncio", own_thread=True)(_in_asyncio)
        case "thread":
            scheduler.handler("work")(_in_thread)


def _check(exported: InMemorySpanExporter) -> None:
    enqueued, child = _of(exported, "enqueue work")[0], _of(exported, "enqueue nobody")[0]
    (run,), (inside,) = _of(exported, "run work"), _of(exported, "inside")
    assert _linked([run]) == [_trace_of(enqueued)]
    assert _trace_of(run) == _trace_of(inside) == _trace_of(child) != _trace_of(enqueued)
    assert (run.attributes or {})["headrace.task.outcome"] == "completed"


@in_real_time
@pytest.mark.parametrize("kind", ["trio", "asyncio", "asyncio thread", "thread"])
async def test_what_a_handler_does_belongs_to_its_run(
    exported: InMemorySpanExporter, kind: str
) -> None:
    """Spans of its own, and enqueues; the run is linked to the enqueue of its task."""
    async with open_scheduler() as scheduler:
        _register(scheduler, kind)
        await scheduler.enqueue("Work", agent_type="work")
        with trio.fail_after(30):
            await scheduler.run_workers(until_idle=True)
    _check(exported)


def test_it_is_the_same_in_an_asyncio_program(exported: InMemorySpanExporter) -> None:
    """Where handlers run in the program's own loop."""

    async def main() -> None:
        async with for_asyncio.open_scheduler() as scheduler:
            scheduler.handler("work")(_in_asyncio)
            await scheduler.enqueue("Work", agent_type="work")
            async with asyncio.timeout(30):
                await scheduler.run_workers(until_idle=True)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())
    _check(exported)


@pytest.mark.process
@in_real_time
async def test_a_command_is_given_the_context(exported: InMemorySpanExporter) -> None:
    """In the variable TRACEPARENT, where tools look for it."""
    async with open_scheduler() as scheduler:
        tell = "import os; print(os.environ['TRACEPARENT'])"
        scheduler.handler("shell", run=[sys.executable, "-c", tell])
        task = await scheduler.enqueue("Tell", agent_type="shell")
        with trio.fail_after(30):
            await scheduler.run_workers(until_idle=True)
        told = str((await scheduler.get(task)).result)
    (run,) = _of(exported, "run shell")
    assert f"-{_trace_of(run):032x}-" in told


@in_real_time
async def test_each_attempt_is_a_run_with_its_outcome(exported: InMemorySpanExporter) -> None:
    """All linked to the one enqueue; a failed one has the exception."""
    async with open_scheduler() as scheduler:

        @scheduler.handler("shaky")
        async def shaky(job: Job) -> int:
            await trio.lowlevel.checkpoint()
            return 1 // (job.task.attempt - 1)

        @scheduler.handler("wrong")
        async def wrong(job: Job) -> object:
            await trio.lowlevel.checkpoint()
            return object()

        await scheduler.enqueue_many(
            [TaskSpec("Shaky", agent_type="shaky"), TaskSpec("Wrong", agent_type="wrong")]
        )
        with trio.fail_after(30):
            await scheduler.run_workers(until_idle=True)
    runs = _of(exported, "run shaky")
    facts = [dict(run.attributes or {}) for run in runs]
    assert [fact["headrace.task.attempt"] for fact in facts] == [1, 2]
    assert [fact["headrace.task.outcome"] for fact in facts] == ["failed", "completed"]
    assert facts[0]["error.type"] == "ZeroDivisionError"
    assert [run.status.status_code for run in runs] == [StatusCode.ERROR, StatusCode.UNSET]
    assert [event.name for event in runs[0].events] == ["exception"]
    assert len(set(_linked(runs))) == 1
    (no_json,) = _of(exported, "run wrong")
    assert (no_json.attributes or {})["error.type"] == "_OTHER"
    assert "no JSON" in (no_json.status.description or "")


@pytest.mark.parametrize(("end", "outcome"), [("cancel", "lost"), ("stop", "released")])
@in_real_time
async def test_a_job_that_is_stopped_ends_its_span(
    exported: InMemorySpanExporter, end: str, outcome: str
) -> None:
    """Without an error: nothing was wrong with it."""
    async with open_scheduler() as scheduler:
        started = trio.Event()

        @scheduler.handler("work")
        async def work(job: Job) -> None:
            started.set()
            await trio.sleep_forever()

        task = await scheduler.enqueue("Work", agent_type="work")
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(scheduler.run_workers)
                await started.wait()
                if end == "cancel":
                    await scheduler.cancel(task)
                    while not _of(exported, "run work"):
                        await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
    (run,) = _of(exported, "run work")
    assert (run.attributes or {})["headrace.task.outcome"] == outcome
    assert run.status.status_code is StatusCode.UNSET
