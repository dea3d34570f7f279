"""The worker loop on a scheduler in memory, with work that is no process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio

from scheduler import (
    Idle,
    InvalidRequest,
    Scheduler,
    SchedulerError,
    Status,
    StoreCorrupt,
    StoreUnavailable,
    TaskSpec,
    TooLarge,
    open_scheduler,
)
from scheduler.cli.work.worker import Worker
from scheduler.cli.work.worker_events import Event, Trouble
from scheduler.cli.work.worker_queue import Failed, FileQueue, Wanted, Work
from scheduler.domain.task import moment, utc_text
from scheduler.workers.processes.outcomes import Outcome
from tests.flows.conftest import virtual_wall

LEASE = 60.0
DONE = Outcome(result="done")
Perform = Callable[[Work], Awaitable[Outcome]]


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    async with open_scheduler(wall_clock=virtual_wall) as opened:
        yield opened


async def at_once(work: Work) -> Outcome:
    return DONE


async def forever(work: Work) -> Outcome:
    await trio.sleep_forever()
    return DONE


def lasting(seconds: float) -> Perform:
    async def perform(work: Work) -> Outcome:
        await trio.sleep(seconds)
        return DONE

    return perform


class Watched:
    """A worker, and what it told."""

    def __init__(
        self,
        scheduler: Scheduler,
        perform: Perform = at_once,
        *,
        concurrency: int = 2,
        until_idle: bool = True,
    ) -> None:
        self.queue = FileQueue(scheduler, Wanted("w", ("lane",), LEASE))
        self.events: list[Event | Trouble] = []
        self.started = trio.Event()
        self.worker = Worker(
            self.queue,
            perform,
            concurrency=concurrency,
            lease=LEASE,
            until_idle=until_idle,
            notify=self.note,
            wall_clock=virtual_wall,
        )

    def note(self, event: Event | Trouble) -> None:
        self.events.append(event)
        self.started.set()

    @property
    def kinds(self) -> list[str]:
        return [event.kind if isinstance(event, Event) else "trouble" for event in self.events]


async def test_a_graph_is_worked_off(scheduler: Scheduler) -> None:
    """What becomes ready through our own work is taken too, then the worker ends."""
    a = TaskSpec("a", agent_type="lane")
    b = TaskSpec("b", agent_type="lane", prerequisites=[a], payload={"n": 1}, group="g")
    tasks = await scheduler.enqueue_many([a, b])
    seen: list[Work] = []

    async def perform(work: Work) -> Outcome:
        seen.append(work)
        return Outcome(result={"did": work.summary})

    watched = Watched(scheduler, perform)
    await watched.worker.run()
    assert watched.kinds == ["started", "completed"] * 2
    assert (await scheduler.get(tasks[1])).result == {"did": "b"}
    work = seen[1]
    assert (work.group, work.agent_type, work.attempt, work.timeout) == ("g", "lane", 1, None)
    assert work.document["task"]["payload"] == {"n": 1}
    assert work.document["prerequisite_results"] == {tasks[0].id: {"did": "a"}}


async def test_the_token_is_in_no_document(scheduler: Scheduler) -> None:
    """A command that prints all it knows cannot give the lease away."""
    await scheduler.enqueue("x", agent_type="lane")

    async def perform(work: Work) -> Outcome:
        assert work.token not in repr(work.document)
        return DONE

    watched = Watched(scheduler, perform)
    await watched.worker.run()
    assert watched.kinds == ["started", "completed"]


async def test_as_many_at_a_time_as_there_is_room(scheduler: Scheduler) -> None:
    """Room that becomes free is used at once."""
    await scheduler.enqueue_many([TaskSpec(f"t{n}", agent_type="lane") for n in range(7)])
    running, most = 0, 0

    async def perform(work: Work) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(10)
        running -= 1
        return DONE

    began = trio.current_time()
    await Watched(scheduler, perform, concurrency=3).worker.run()
    assert most == 3
    assert trio.current_time() - began < 31


async def test_long_work_keeps_its_lease(scheduler: Scheduler) -> None:
    """Ten leases long, and nobody else gets it."""
    task = await scheduler.enqueue("x", agent_type="lane")
    watched = Watched(scheduler, lasting(10 * LEASE))
    await watched.worker.run()
    assert watched.kinds == ["started", "completed"]
    assert (await scheduler.get(task)).attempt == 1


async def test_a_cancelled_task_is_stopped(scheduler: Scheduler) -> None:
    """The next heartbeat tells; the worker goes on with what else there is."""
    tasks = await scheduler.enqueue_many([TaskSpec(n, agent_type="lane") for n in ("a", "b")])
    watched = Watched(scheduler, forever)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.worker.run)
        await watched.started.wait()
        for task in tasks:
            await scheduler.cancel(task)
    assert sorted(watched.kinds) == ["lost", "lost", "started", "started"]
    assert {(await scheduler.get(task)).status for task in tasks} == {Status.CANCELLED}


async def test_failures_and_further_attempts(scheduler: Scheduler) -> None:
    """A failed attempt is followed by the next, after the back-off and before the worker ends."""
    task = await scheduler.enqueue("x", agent_type="lane", max_attempts=2)

    async def perform(work: Work) -> Outcome:
        return Outcome(f"attempt {work.attempt}")

    watched = Watched(scheduler, perform)
    await watched.worker.run()
    assert watched.kinds == ["started", "retrying", "started", "failed"]
    again = watched.events[1]
    assert isinstance(again, Event)
    assert again.attempts_left == 1
    assert again.again_s is not None and 0 < again.again_s <= 5
    ended = await scheduler.get(task)
    assert (ended.status, ended.error) == (Status.FAILED, "attempt 2")


async def test_a_failure_for_good(scheduler: Scheduler) -> None:
    """What cannot be mended by another attempt gets none."""
    await scheduler.enqueue("x", agent_type="lane")

    async def perform(work: Work) -> Outcome:
        return Outcome("no such thing", retryable=False)

    watched = Watched(scheduler, perform)
    await watched.worker.run()
    assert watched.kinds == ["started", "failed"]


@pytest.mark.parametrize("others", ["paused", "blocked", "far"])
async def test_idle_is_when_only_others_could_help(scheduler: Scheduler, others: str) -> None:
    """Paused, blocked by another lane, or scheduled for much later."""
    if others == "paused":
        await scheduler.enqueue("x", agent_type="lane")
        await scheduler.pause("lane")
    elif others == "blocked":
        other = await scheduler.enqueue("other")
        await scheduler.enqueue("x", agent_type="lane", prerequisites=[other])
    else:
        await scheduler.enqueue("x", agent_type="lane", not_before=moment(virtual_wall() + 86_400))
    began = trio.current_time()
    watched = Watched(scheduler)
    await watched.worker.run()
    assert (watched.kinds, trio.current_time() - began) == ([], 0)


async def test_work_that_another_holds_is_waited_for(scheduler: Scheduler) -> None:
    """It may come back, or release what waits for it."""
    first = TaskSpec("first", agent_type="lane")
    await scheduler.enqueue_many([first, TaskSpec("x", agent_type="lane", prerequisites=[first])])
    (theirs,) = await scheduler.claim("other")
    watched = Watched(scheduler)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.worker.run)
        await trio.sleep(20)
        assert watched.kinds == []
        await scheduler.complete(theirs)
    assert watched.kinds == ["started", "completed"]


async def test_it_stops_when_told_and_idle(scheduler: Scheduler) -> None:
    """At once, from the middle of a long wait, and a task that comes later stays."""
    watched = Watched(scheduler, until_idle=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.worker.run)
        await trio.sleep(100)
        began = trio.current_time()
        watched.worker.take_no_more()
    assert trio.current_time() == began
    task = await scheduler.enqueue("x", agent_type="lane")
    assert (await scheduler.get(task)).status is Status.READY


async def test_it_lets_running_work_end(scheduler: Scheduler) -> None:
    """And takes nothing more."""
    tasks = await scheduler.enqueue_many([TaskSpec(n, agent_type="lane") for n in ("a", "b")])
    watched = Watched(scheduler, lasting(100), concurrency=1, until_idle=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.worker.run)
        await watched.started.wait()
        watched.worker.take_no_more()
    assert watched.kinds == ["started", "completed"]
    assert not watched.worker.gave_back
    assert [(await scheduler.get(task)).status for task in tasks] == ["completed", "ready"]


async def test_it_gives_running_work_back(scheduler: Scheduler) -> None:
    """A release costs no attempt."""
    task = await scheduler.enqueue("x", agent_type="lane")
    watched = Watched(scheduler, forever)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.worker.run)
        await watched.started.wait()
        watched.worker.give_back()
    assert watched.kinds == ["started", "released"]
    assert watched.worker.gave_back
    again = await scheduler.get(task)
    assert (again.status, again.attempt) == (Status.READY, 0)


async def test_a_worker_that_is_unfit(scheduler: Scheduler) -> None:
    """Fails nothing: what it has goes back without the loss of an attempt, and it ends."""
    specs = [TaskSpec(name, agent_type="lane") for name in ("a", "b", "c")]
    tasks = await scheduler.enqueue_many(specs)

    async def perform(work: Work) -> Outcome:
        return Outcome("no such command", unfit=True)

    watched = Watched(scheduler, perform, until_idle=False)
    await watched.worker.run()
    assert watched.kinds == ["started", "started", "released", "released"]
    assert watched.worker.unfit == "no such command"
    found = [await scheduler.get(task) for task in tasks]
    assert {(task.status, task.attempt) for task in found} == {(Status.READY, 0)}


class Keeping(FileQueue):
    """A queue that takes nothing back."""

    async def release(self, work: Work) -> None:
        raise StoreUnavailable("there is no way back")


async def test_work_that_cannot_be_given_back(scheduler: Scheduler) -> None:
    """Is told as held: the lease is still ours, and ends a lease after the last heartbeat."""
    await scheduler.enqueue("x", agent_type="lane")
    watched = Watched(scheduler, forever)
    watched.worker._queue = Keeping(scheduler, Wanted("w", ("lane",), LEASE))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.worker.run)
        await trio.sleep(LEASE / 2)
        watched.worker.give_back()
    assert watched.kinds == ["started", "held"]
    (lease,) = (await scheduler.queue_status()).leases
    held = watched.events[1]
    assert isinstance(held, Event)
    until = utc_text(lease.expires_at.replace(microsecond=0))
    assert held.error == f"there is no way back; free at {until}"


class Flaky(FileQueue):
    """A queue whose calls fail as often as told, each time with this error."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler, Wanted("w", ("lane",), LEASE))
        self.failing: dict[str, int] = {}
        self.error: SchedulerError = StoreUnavailable("out of order")

    def _maybe_fail(self, call: str) -> None:
        if self.failing.get(call, 0) > 0:
            self.failing[call] -= 1
            raise self.error

    async def claim(self, limit: int, wait: float) -> list[Work] | Idle:
        self._maybe_fail("claim")
        return await super().claim(limit, wait)

    async def heartbeat(self, work: Work) -> None:
        self._maybe_fail("heartbeat")
        await super().heartbeat(work)

    async def complete(self, work: Work, result: Any) -> None:
        self._maybe_fail("complete")
        await super().complete(work, result)

    async def fail(self, work: Work, error: str, retryable: bool) -> Failed:
        self._maybe_fail("fail")
        return await super().fail(work, error, retryable)


def flaky(scheduler: Scheduler, perform: Perform, **options: Any) -> tuple[Watched, Flaky]:
    watched = Watched(scheduler, perform, **options)
    watched.queue = queue = Flaky(scheduler)
    watched.worker._queue = queue
    return watched, queue


async def test_a_queue_that_is_out_of_order_for_a_while(scheduler: Scheduler) -> None:
    """Claims, heartbeats and completions are repeated: work that is done is not lost."""
    first = TaskSpec("a", agent_type="lane")
    await scheduler.enqueue_many([first, TaskSpec("b", agent_type="lane", prerequisites=[first])])
    watched, queue = flaky(scheduler, lasting(LEASE))

    async def perform(work: Work) -> Outcome:
        queue.failing = {"heartbeat": 1, "complete": 3, "claim": 2}
        await trio.sleep(LEASE)
        return DONE

    watched.worker._perform = perform
    await watched.worker.run()
    assert [kind for kind in watched.kinds if kind != "trouble"] == ["started", "completed"] * 2
    assert watched.kinds.count("trouble") == 12


async def test_a_queue_that_never_answered(scheduler: Scheduler) -> None:
    """Ends the worker: the address may be wrong."""
    watched, queue = flaky(scheduler, at_once)
    queue.failing = {"claim": 1}
    with pytest.RaisesGroup(StoreUnavailable):
        await watched.worker.run()


async def test_a_stop_while_a_completion_cannot_be_told(scheduler: Scheduler) -> None:
    """It ends in seconds, and says that it does not hold the task any more."""
    await scheduler.enqueue("x", agent_type="lane")
    watched, queue = flaky(scheduler, at_once, until_idle=False)
    queue.failing = {"complete": 1_000}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.worker.run)
        await trio.sleep(100)
        began = trio.current_time()
        watched.worker.give_back()
    assert trio.current_time() - began <= 5
    assert watched.kinds[-1] == "lost"


async def test_a_mistake_of_ours_is_no_trouble(scheduler: Scheduler) -> None:
    """It is told and ends the worker, also later on."""
    watched = Watched(scheduler)
    watched.worker._queue = FileQueue(scheduler, Wanted("", ("lane",), LEASE))
    with pytest.RaisesGroup(InvalidRequest):
        await watched.worker.run()


async def test_a_result_that_is_refused(scheduler: Scheduler) -> None:
    """Fails its task for good, which would only print it again; the worker and others go on."""
    tasks = await scheduler.enqueue_many([TaskSpec(n, agent_type="lane") for n in ("a", "b")])

    async def perform(work: Work) -> Outcome:
        return Outcome(result=float("nan")) if work.summary == "a" else DONE

    watched = Watched(scheduler, perform, concurrency=1)
    await watched.worker.run()
    assert watched.kinds == ["started", "failed", "started", "completed"]
    bad, good = [await scheduler.get(task) for task in tasks]
    assert (bad.status, good.status) == (Status.FAILED, Status.COMPLETED)
    assert bad.error == "its result cannot be recorded: result is not JSON: " + (
        "a number that is not finite or too long"
    )


async def test_an_end_that_is_refused(scheduler: Scheduler) -> None:
    """Is told as lost, with the reason: the lease will end."""
    await scheduler.enqueue_many([TaskSpec(n, agent_type="lane") for n in ("a", "b")])
    watched, queue = flaky(scheduler, lasting(LEASE), concurrency=1)
    queue.error = InvalidRequest("not like this")
    queue.failing = {"complete": 1, "fail": 1, "heartbeat": 1}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.worker.run)
        while "completed" not in watched.kinds:
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    told = ["started", "trouble", "lost", "started", "completed"]
    assert watched.kinds[: len(told)] == told
    lost = watched.events[2]
    assert isinstance(lost, Event)
    assert lost.error == "its end cannot be recorded: not like this"


@pytest.mark.parametrize("call", ["claim", "heartbeat", "complete"])
async def test_a_queue_that_is_out_of_order_for_good(scheduler: Scheduler, call: str) -> None:
    """Ends the worker: no task would fare better."""
    await scheduler.enqueue("x", agent_type="lane")
    watched, queue = flaky(scheduler, lasting(LEASE))
    queue.error, queue.failing = StoreCorrupt("damaged"), {call: 1}
    with pytest.raises(BaseExceptionGroup) as caught:
        await watched.worker.run()
    assert caught.group_contains(StoreCorrupt)


async def test_more_work_than_one_answer_holds(scheduler: Scheduler) -> None:
    """Less is asked for."""
    await scheduler.enqueue_many([TaskSpec(str(n), agent_type="lane") for n in range(8)])
    watched, queue = flaky(scheduler, at_once, concurrency=8)
    queue.error, queue.failing = TooLarge("too many bytes"), {"claim": 2}
    await watched.worker.run()
    assert watched.kinds.count("completed") == 8
    assert watched.kinds[:2] == ["started", "started"]


class Restarting(FileQueue):
    """A queue that breaks off the first claim that waits."""

    waits: tuple[float, ...] = ()

    async def claim(self, limit: int, wait: float) -> list[Work] | Idle:
        self.waits += (wait,)
        if sum(map(bool, self.waits)) == 1:
            await trio.sleep(wait / 2)
            raise StoreUnavailable("going down")
        return await super().claim(limit, wait)


async def test_the_first_claim_does_not_wait(scheduler: Scheduler) -> None:
    """So that an empty queue is known to have answered when its server is started anew."""
    watched = Watched(scheduler, until_idle=False)
    watched.worker._queue = queue = Restarting(scheduler, Wanted("w", ("lane",), LEASE))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.worker.run)
        await trio.sleep(100)
        assert watched.kinds == ["trouble"]
        assert queue.waits[0] == 0
        watched.worker.take_no_more()
