"""Metrics, as the SDK of OpenTelemetry reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trio
from opentelemetry.metrics import _internal as metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from scheduler import Scheduler, TaskSpec, testing


class Reader(InMemoryMetricReader):
    """Reads points as plain facts."""

    def points(self, name: str) -> list[Any]:
        data = self.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def value(self, name: str, **attributes: str) -> Any:
        """The value, or (count, sum), of the point with these attributes; None if there is none."""
        for point in self.points(name):
            facts = {key.replace(".", "_"): value for key, value in point.attributes.items()}
            if attributes.items() <= facts.items():
                return point.value if hasattr(point, "value") else (point.count, point.sum)
        return None


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    reader = Reader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics, "_METER_PROVIDER", provider)
    yield reader
    provider.shutdown()


@pytest.fixture
async def measured(reader: Reader) -> AsyncIterator[Scheduler]:
    async with testing.open_scheduler() as opened:
        yield opened


async def test_the_queue_is_measured_by_status(measured: Scheduler, reader: Reader) -> None:
    """Whenever the reader asks, from the counters."""
    build = TaskSpec("Build")
    await measured.enqueue_many([build, TaskSpec("Check", prerequisites=[build])])
    tasks = "headrace.tasks"
    assert reader.value(tasks, headrace_task_status="ready") == 1
    assert reader.value(tasks, headrace_task_status="blocked") == 1
    await measured.claim("w")
    assert reader.value(tasks, headrace_task_status="ready") == 0
    assert reader.value(tasks, headrace_task_status="running") == 1
    assert reader.value(tasks, headrace_database=":memory:") is not None


async def test_a_life_is_measured_in_three_parts(measured: Scheduler, reader: Reader) -> None:
    """Until ready, until claimed, until done; in seconds, by agent_type."""
    first = TaskSpec("First", agent_type="a")
    await measured.enqueue_many([first, TaskSpec("Then", agent_type="b", prerequisites=[first])])
    await trio.sleep(2)
    claim = (await measured.claim("w"))[0]
    await trio.sleep(30)
    await measured.complete(claim)
    await trio.sleep(5)
    await measured.claim("w", ["b"])
    a, b = {"messaging_destination_name": "a"}, {"messaging_destination_name": "b"}
    assert reader.value("headrace.task.time_to_ready", **a) == (1, pytest.approx(0))
    assert reader.value("headrace.task.time_to_claim", **a) == (1, pytest.approx(2))
    assert reader.value("messaging.process.duration", headrace_task_outcome="completed", **a) == (
        1,
        pytest.approx(30),
    )
    assert reader.value("headrace.task.time_to_ready", **b) == (1, pytest.approx(32))
    assert reader.value("headrace.task.time_to_claim", **b) == (1, pytest.approx(5))
    assert reader.value("messaging.client.sent.messages", **a) == 1
    assert reader.value("messaging.client.consumed.messages", **a) == 1


async def test_a_task_is_ready_for_the_first_time_once(measured: Scheduler, reader: Reader) -> None:
    """Released, lost and retried, it does not count again."""
    await measured.enqueue("Build")
    await measured.release((await measured.claim("w"))[0])
    await measured.claim("w", lease=10)
    await trio.sleep(11)
    await measured.fail((await measured.claim("w"))[0], "broken")
    await measured.claim("w", wait=60)
    assert reader.value("headrace.task.time_to_ready") == (1, pytest.approx(0))
    assert reader.value("messaging.client.consumed.messages") == 4


async def test_retries_and_lost_leases_are_counted(measured: Scheduler, reader: Reader) -> None:
    """The last attempt is lost, but not retried."""
    await measured.enqueue("Build", max_attempts=2)
    await measured.fail((await measured.claim("w"))[0], "broken")
    await measured.claim("w", wait=60, lease=10)
    await trio.sleep(11)
    assert reader.value("headrace.task.retries") == 1
    assert reader.value("headrace.lease.expired") == 1
    durations = "messaging.process.duration"
    assert reader.value(durations, error_type="failed") == (1, pytest.approx(0))
    assert reader.value(durations, error_type="expired") == (1, pytest.approx(10))


async def test_commits_are_measured(measured: Scheduler, reader: Reader) -> None:
    """Their changes and their seconds."""
    await measured.enqueue_many([TaskSpec("One"), TaskSpec("Two")])
    await measured.enqueue("Three")
    assert reader.value("headrace.commit.rows") == (2, 3)
    assert reader.value("headrace.commit.duration")[0] == 2


async def test_schedulers_of_one_process_share_the_instruments(reader: Reader) -> None:
    """Two in memory are counted together; one that closed is not counted."""
    async with testing.open_scheduler() as one, testing.open_scheduler() as two:
        await one.enqueue("Build")
        await two.enqueue("Build")
        assert reader.value("headrace.tasks", headrace_task_status="ready") == 2
    async with testing.open_scheduler():
        assert reader.value("headrace.tasks", headrace_task_status="ready") == 0


async def test_without_a_provider_nothing_is_measured(scheduler: Scheduler) -> None:
    """And no event is made for it."""
    assert not scheduler._door.observer.hears_all  # type: ignore[attr-defined]
