"""Single calls without clients, loops and threads, on both stores.

    python -m pytest benchmarks --benchmark-enable

Each is a command handed to ingest and followed through the actors to its answer, the commit
included; see `benchmarks/pipeline.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace
from pytest_benchmark.fixture import BenchmarkFixture

from actors import commands as c
from actors import messages as m
from actors.messages import Post
from actors.reply import Reply
from actors.resolver import Resolver
from benchmarks.pipeline import Pipeline, enqueue
from benchmarks.workload import linked_specs, open_specs, spec
from persistence.memory import MemoryStore
from persistence.sqlite import open_sqlite
from persistence.store import Filter, Store
from scheduler import Status, TaskSpec, Weights
from scheduler.domain import priority
from scheduler.domain.admission import make_task
from scheduler.domain.priority import Facts
from scheduler.domain.request import checked

T = TypeVar("T")
ROUNDS = 20
NOW = 1_800_000_000.0

Setup = tuple[tuple[Any, ...], dict[str, Any]]  # arguments of the call to measure


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    on_disk = request.param == "sqlite"
    opened: Store = open_sqlite(str(tmp_path / "tasks.db")) if on_disk else MemoryStore()
    yield opened
    opened.close()


@pytest.fixture
def pipeline(store: Store) -> Pipeline:
    return Pipeline(store)


@pytest.fixture
def full(pipeline: Pipeline) -> Pipeline:
    """10,000 tasks in chains of ten."""
    pipeline.ask(enqueue(linked_specs(10_000)))
    return pipeline


def claim() -> c.ClaimReady:
    return c.ClaimReady("worker", None, 1, 300.0, 0.0, Reply())


def measure(
    benchmark: BenchmarkFixture,
    call: Callable[..., T],
    setup: Callable[[], Setup] | None = None,
    rounds: int = ROUNDS,
) -> T:
    """The result of a call that changes what it works on: one call a round."""
    result: T = benchmark.pedantic(call, setup=setup, rounds=rounds)  # type: ignore[no-untyped-call]
    return result


def test_enqueue(benchmark: BenchmarkFixture, pipeline: Pipeline) -> None:
    places = count()
    benchmark(lambda: pipeline.ask(enqueue([spec(next(places))])))


def test_enqueue_a_thousand(benchmark: BenchmarkFixture, pipeline: Pipeline) -> None:
    specs = linked_specs(1_000)
    measure(benchmark, lambda: pipeline.ask(enqueue(specs)))


@pytest.mark.parametrize("dependents", [1, 10, 100])
def test_complete(benchmark: BenchmarkFixture, pipeline: Pipeline, dependents: int) -> None:
    def one_running() -> Setup:
        root = spec(10)  # with what it blocks, its score is the highest
        pipeline.ask(enqueue([root, *(spec(0, [root]) for _ in range(dependents))]))
        (claimed,) = pipeline.ask(claim())
        finish = c.Finish("complete", claimed.task.number, claimed.token)
        return (c.Complete((finish,), Reply()),), {}

    (ended,) = measure(benchmark, pipeline.ask, one_running)
    assert len(ended.released) == dependents


@pytest.mark.parametrize("dependents", [1, 10, 100])
def test_resolve(benchmark: BenchmarkFixture, dependents: int) -> None:
    """At the resolver alone: the end of a task, and those it releases."""

    def one_ended() -> Setup:
        resolver = Resolver()
        request = checked(spec(0))
        root = make_task(request, 1, (), None, NOW)
        others = [replace(root, number=2 + n, requires=(1,)) for n in range(dependents)]
        waiting = [replace(task, status=Status.BLOCKED, ready_s=None) for task in others]
        resolver.handle(m.Admit([root, *waiting], []), NOW)
        ended = replace(root, status=Status.COMPLETED, started_s=NOW, finished_s=NOW)
        return (resolver, m.Settled([ended])), {}

    def settle(resolver: Resolver, message: m.Settled) -> list[Post]:
        return resolver.handle(message, NOW)

    ((_, resolved),) = measure(benchmark, settle, one_ended)
    assert isinstance(resolved, m.Resolved)
    assert len(resolved.handed) == dependents


def test_priority(benchmark: BenchmarkFixture) -> None:
    facts, weights = Facts(3_600.0, NOW + 86_400.0, 7, 100.0, 3), Weights()
    benchmark(priority.score, facts, 60.0, NOW, weights)


def test_claim(benchmark: BenchmarkFixture, pipeline: Pipeline) -> None:
    pipeline.ask(enqueue(open_specs(10_000)))
    assert measure(benchmark, lambda: pipeline.ask(claim()), rounds=200)


def test_cancel_a_chain_of_a_thousand(benchmark: BenchmarkFixture, pipeline: Pipeline) -> None:
    def chained() -> Setup:
        specs: list[TaskSpec] = []
        for place in range(1_000):
            specs.append(spec(place, specs[-1:]))
        root = pipeline.ask(enqueue(specs))[0]
        return (c.Cancel(root.number, None, False, Reply()),), {}

    cancelled = measure(benchmark, pipeline.ask, chained)
    assert cancelled.total_cancelled == 1_000


def test_plan_ten_thousand(benchmark: BenchmarkFixture, full: Pipeline) -> None:
    plan = benchmark(lambda: full.ask(c.MakePlan(None, None, 8, Reply())))
    assert len(plan.critical_path) == 10


def test_list_a_page(benchmark: BenchmarkFixture, full: Pipeline) -> None:
    page = benchmark(lambda: full.ask(c.ListTasks(Filter(), None, 50, Reply())))
    assert len(page.tasks) == 50


def test_queue_status(benchmark: BenchmarkFixture, full: Pipeline) -> None:
    status = benchmark(lambda: full.ask(c.GetQueueStatus(Reply())))
    assert status.total_tasks == 10_000


@pytest.mark.usefixtures("full")
def test_recover_ten_thousand(benchmark: BenchmarkFixture, store: Store) -> None:
    recovered = benchmark(lambda: Pipeline(store))
    assert len(recovered.resolver.dependencies.graph) == 10_000
