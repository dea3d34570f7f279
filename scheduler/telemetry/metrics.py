"""Metrics of OpenTelemetry, made from events and from the counters of the queue."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from actors.observer import Observer
from scheduler.domain import events as e
from scheduler.domain.task import Status, Task
from scheduler.telemetry import conventions as name

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation

Counts = Callable[[], Mapping[Status, int]]
Attributes = dict[str, str]

SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # seconds
LONG = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400, 604_800)  # seconds
ROWS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)


def measuring() -> bool:
    """Whether the program has imported OpenTelemetry and set a provider of metrics."""
    metrics = sys.modules.get("opentelemetry.metrics")
    if metrics is None:
        return False
    provider = type(metrics.get_meter_provider())
    return not provider.__module__.startswith("opentelemetry.metrics")


@contextmanager
def record(observer: Observer, counts: Counts, database: str) -> Iterator[None]:
    """While the block runs, record what happens, if the program measures at all."""
    if not measuring():
        yield
        return
    instruments = _instruments()
    queue = (database, counts)
    instruments.queues.append(queue)
    with observer.add(Recorder(instruments, database).record):
        try:
            yield
        finally:
            instruments.queues.remove(queue)


class Instruments:
    """Those of one provider, for all schedulers of the process: a name is registered once."""

    def __init__(self, meter: Meter) -> None:
        self.queues: list[tuple[str, Counts]] = []
        meter.create_observable_gauge(
            name.TASKS, [self._observe], "{task}", "Tasks on record, by status"
        )
        self.sent = meter.create_counter(name.SENT, "{message}", "Tasks enqueued")
        self.consumed = meter.create_counter(name.CONSUMED, "{message}", "Tasks claimed")
        self.retries = meter.create_counter(name.RETRIES, "{attempt}", "Attempts to be repeated")
        self.expired = meter.create_counter(name.LEASES_EXPIRED, "{lease}", "Leases lost")
        self.to_ready = _seconds(meter, name.TIME_TO_READY, "From enqueue until first ready", LONG)
        self.to_claim = _seconds(meter, name.TIME_TO_CLAIM, "From ready until claimed", LONG)
        self.process = _seconds(meter, name.PROCESS_DURATION, "From claim to its end", LONG)
        self.commit = _seconds(meter, name.COMMIT_DURATION, "Time of a commit", SHORT)
        self.rows = meter.create_histogram(
            name.COMMIT_ROWS,
            "{change}",
            "Changes in a commit",
            explicit_bucket_boundaries_advisory=ROWS,
        )

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        """How many tasks there are; asked from a thread of the SDK."""
        from opentelemetry.metrics import Observation

        total: Counter[tuple[str, Status]] = Counter()  # several may be in memory
        for database, counts in list(self.queues):
            for status, count in counts().items():
                total[database, status] += count
        return [
            Observation(count, {name.STATUS: status.value, name.DATABASE: database})
            for (database, status), count in total.items()
        ]


def _seconds(meter: Meter, called: str, about: str, bounds: tuple[float, ...]) -> Histogram:
    return meter.create_histogram(called, "s", about, explicit_bucket_boundaries_advisory=bounds)


_by_provider: WeakKeyDictionary[MeterProvider, Instruments] = WeakKeyDictionary()


def _instruments() -> Instruments:
    from opentelemetry import metrics

    provider = metrics.get_meter_provider()
    if provider not in _by_provider:
        _by_provider[provider] = Instruments(provider.get_meter(name.SCOPE, name.version()))
    return _by_provider[provider]


class Recorder:
    """A listener that records the events of one scheduler."""

    def __init__(self, instruments: Instruments, database: str) -> None:
        self._to = instruments
        self._database: Attributes = {name.DATABASE: database}

    def record(self, event: e.Event) -> None:
        """Record one event."""
        to = self._to
        match event:
            case e.TaskEnqueued(task=task):
                to.sent.add(1, _of("enqueue", task))
            case e.TaskReady(task=task, again=False) if task.ready_s is not None:
                to.to_ready.record(task.ready_s - task.created_s, _of(None, task))
            case e.TaskClaimed(task=task):
                to.consumed.add(1, _of("claim", task))
                if task.ready_s is not None and task.started_s is not None:
                    to.to_claim.record(task.started_s - task.ready_s, _of(None, task))
            case e.LeaseExpired(task=task):
                to.expired.add(1, _of(None, task))
                self._ended(event)
            case e.TaskFailed(attempt=attempt) if attempt.outcome == "expired":
                pass  # its LeaseExpired was recorded
            case e.AttemptEvent():
                self._ended(event)
            case e.Committed(rows=rows, seconds=seconds):
                to.rows.record(rows, self._database)
                to.commit.record(seconds, self._database)

    def _ended(self, event: e.AttemptEvent) -> None:
        attributes = _of("run", event.task) | {name.OUTCOME: event.attempt.outcome}
        if event.attempt.outcome in ("failed", "expired"):
            attributes[name.ERROR_TYPE] = event.attempt.outcome
        self._to.process.record(event.seconds, attributes)
        if isinstance(event, e.TaskRetrying):
            self._to.retries.add(1, _of(None, event.task))


def _of(operation: str | None, task: Task) -> Attributes:
    attributes = {name.SYSTEM: name.SCOPE, name.DESTINATION: task.agent_type}
    return attributes if operation is None else attributes | {name.OPERATION: operation}
