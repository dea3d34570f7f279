"""The worker loop on a scheduler in memory: leases kept, lost, given back; plans of files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from scheduler import Scheduler, Status, Task, TaskSpec, open_scheduler
from scheduler.cli.run import runner as runner_module
from scheduler.cli.run.jobs import Job
from scheduler.cli.run.runner import Event, Runner
from scheduler.cli.workflow import workflow_enqueue
from scheduler.cli.workflow.workflow import Workflow, read_workflow
from scheduler.cli.workflow.workflow_enqueue import enqueue_workflow
from scheduler.cli.workflow.workflow_plan import plan_workflow
from scheduler.workers.holders import take_back

FOREVER = 3_600.0


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    async with open_scheduler() as opened:
        yield opened


class Watched:
    """A runner of jobs that sleep, and what it told."""

    def __init__(self, scheduler: Scheduler, tasks: dict[str, Task], sleep: float = 0.0) -> None:
        self.events: list[Event] = []
        self.started, self.lost = trio.Event(), trio.Event()
        jobs = {task.id: Job(ref, None, sleep, FOREVER, False) for ref, task in tasks.items()}
        self.runner = Runner(scheduler, jobs, ["lane"], workers=2, notify=self.note)

    def note(self, event: Event) -> None:
        self.events.append(event)
        self.started.set()
        if event.kind == "lost":
            self.lost.set()

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


async def test_a_task_that_is_cancelled_while_it_runs(scheduler: Scheduler) -> None:
    """The next heartbeat finds the lease gone: the work is stopped, and the run ends."""
    task = await scheduler.enqueue("x", agent_type="lane")
    watched = Watched(scheduler, {"x": task}, sleep=FOREVER)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watched.runner.run)
            await watched.started.wait()
            await scheduler.cancel(task)
    assert (await scheduler.get(task)).status is Status.CANCELLED


async def test_a_lease_that_was_lost(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work whose lease is gone is stopped and told as lost; the others go on."""
    monkeypatch.setattr(runner_module, "LEASE_SECONDS", 1.0)
    first, second = await scheduler.enqueue_many(
        [TaskSpec("a", agent_type="lane"), TaskSpec("b", agent_type="lane")]
    )
    watched = Watched(scheduler, {"a": first, "b": second}, sleep=FOREVER)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watched.runner.run)
            await watched.started.wait()
            await scheduler.cancel(first)
            await watched.lost.wait()
            assert (await scheduler.get(second)).status is Status.RUNNING
            nursery.cancel_scope.cancel()
    assert watched.kinds.count("lost") == 1
    assert watched.kinds[-1] == "released"
    assert (await scheduler.get(second)).status is Status.READY


async def test_an_end_that_comes_too_late(scheduler: Scheduler) -> None:
    """Work that ends after its lease was taken away is told as lost, and done by another."""
    task = await scheduler.enqueue("x", agent_type="lane")
    watched = Watched(scheduler, {"x": task}, sleep=0.3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.runner.run)
        await watched.started.wait()
        await take_back(scheduler)
    assert sorted(watched.kinds) == ["completed", "lost", "started", "started"]


async def test_tasks_of_others_in_the_lane(scheduler: Scheduler) -> None:
    """They are not performed, and are ready again when the run has ended."""
    other = await scheduler.enqueue("other", agent_type="lane", base_priority=10)
    task = await scheduler.enqueue("x", agent_type="lane")
    watched = Watched(scheduler, {"x": task})
    (ended,) = await watched.runner.run()
    assert ended.status is Status.COMPLETED
    assert [event.task.id for event in watched.events] == [task.id, task.id]
    assert (await scheduler.get(other)).status is Status.READY


def chain(folder: Path, length: int) -> Workflow:
    """A workflow of tasks in a row."""
    tasks = [
        {"ref": f"t{n}", "runtime_s": 2, "prerequisites": [f"t{n - 1}"] if n else []}
        for n in range(length)
    ]
    path = folder / "chain.jsonl"
    path.write_text("\n".join(map(json.dumps, tasks)))
    return read_workflow(path)


async def test_a_workflow_over_the_size_of_a_batch(
    scheduler: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes in several batches, and makes nothing twice."""
    workflow = chain(tmp_path, 5)
    monkeypatch.setattr(workflow_enqueue, "BATCH_TASKS", 2)
    made = await enqueue_workflow(scheduler, workflow)
    again = await enqueue_workflow(scheduler, workflow)
    assert list(made) == list(again) == ["t0", "t1", "t2", "t3", "t4"]
    assert [task.id for task in made.values()] == [task.id for task in again.values()]
    assert made["t4"].prerequisites == (made["t3"].id,)
    assert [task.existing for task in (*made.values(), *again.values())] == [False] * 5 + [True] * 5
    assert (await scheduler.queue_status()).total_tasks == 5


def test_the_plan_of_a_file(tmp_path: Path) -> None:
    """It is told in refs, at the recorded times."""
    plan = plan_workflow(chain(tmp_path, 3), workers=2, now=0.0)
    assert plan.batches == (("t0",), ("t1",), ("t2",))
    assert plan.critical_path == ("t0", "t1", "t2")
    assert plan.makespan_seconds == plan.lower_bound_seconds == plan.critical_path_seconds == 6.0
