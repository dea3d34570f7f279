"""A scheduler on a clock that jumps, and what it tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from inspect import iscoroutinefunction
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from scheduler import Scheduler, testing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder, but for those that say how they are run."""
    for item in items:
        asynchronous = iscoroutinefunction(getattr(item, "obj", None))
        says = any("run" in marker.kwargs for marker in item.iter_markers("trio"))
        if asynchronous and not says and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.trio(run=testing.run), append=False)


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    async with testing.open_scheduler() as opened:
        yield opened


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The spans that ended while the test ran."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()
