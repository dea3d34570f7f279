"""Which tasks a pool takes, how many at a time, and when it ends."""

from __future__ import annotations

import os

import pytest
import trio
import trio.testing

from persistence.memory import MemoryStore
from scheduler import Job, Scheduler, Status, TaskSpec, open_scheduler
from scheduler.workers import keeping
from scheduler.workers.holders import holder_name
from tests.flows.conftest import virtual_wall
from tests.support.stores import FailingStore

from .conftest import work_off, working

VIRTUAL_TIME = True


class Busy:
    """A handler that takes its time, and how many of it ran at once."""

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds = seconds
        self.now = self.most = 0
        self.order: list[str] = []

    async def __call__(self, job: Job) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        self.order.append(job.task.description)
        await trio.sleep(self.seconds)
        self.now -= 1


async def test_as_many_as_there_are_slots(scheduler: Scheduler) -> None:
    """Each lane has its own, all of them are used, and the best tasks come first."""
    one, four = Busy(), Busy()
    scheduler.handler("one")(one)
    scheduler.handler("four", concurrency=4)(four)
    for lane in ("one", "four"):
        await scheduler.enqueue_many(
            [TaskSpec(f"{n}", agent_type=lane, base_priority=n) for n in range(8)]
        )
    began = trio.current_time()
    await scheduler.run_workers(until_idle=True)
    assert (one.most, four.most) == (1, 4)
    assert one.order == [str(n) for n in reversed(range(8))]
    assert trio.current_time() - began == pytest.approx(80, abs=1)


async def test_only_what_has_a_handler(scheduler: Scheduler) -> None:
    scheduler.handler("builder")(Busy())
    other = await scheduler.enqueue("review", agent_type="reviewer")
    await work_off(scheduler, "build", agent_type="builder")
    assert (await scheduler.get(other)).status is Status.READY


async def test_a_free_slot_is_filled_at_once(scheduler: Scheduler) -> None:
    """While others of the same claim still run."""
    starts: dict[str, float] = {}

    @scheduler.handler("general", concurrency=2)
    async def work(job: Job) -> None:
        starts[job.task.description] = trio.current_time()
        await trio.sleep(job.payload)

    await scheduler.enqueue_many(
        [TaskSpec(name, payload=seconds) for name, seconds in (("a", 100), ("b", 5), ("c", 5))]
    )
    await scheduler.run_workers(until_idle=True)
    assert starts["c"] - starts["a"] == pytest.approx(5)


async def test_new_work_wakes_it(scheduler: Scheduler) -> None:
    """A pool that waits starts what comes in the same instant, and holds it by a name."""
    busy = Busy()
    scheduler.handler("general")(busy)
    async with working(scheduler):
        await trio.sleep(1_000)
        task = await scheduler.enqueue("late")
        await trio.testing.wait_all_tasks_blocked()
        assert busy.now == 1
        lease = (await scheduler.get(task)).lease
        assert lease is not None
        assert lease.holder.startswith("pool:")
        assert f":{os.getpid()}:" in lease.holder


async def test_long_work_keeps_its_lease(scheduler: Scheduler) -> None:
    """Heartbeats are sent by themselves."""
    scheduler.handler("general")(Busy(3_600))
    (task,) = await work_off(scheduler, "long")
    assert (task.status, task.attempt) == (Status.COMPLETED, 1)
    assert len((await scheduler.details(task)).attempts) == 1


async def test_idle_waits_for_what_is_scheduled(scheduler: Scheduler) -> None:
    scheduler.handler("general")(Busy())
    later = virtual_moment(500)
    began = trio.current_time()
    (task,) = await work_off(scheduler, "later", not_before=later)
    assert task.status is Status.COMPLETED
    assert trio.current_time() - began == pytest.approx(510)


async def test_idle_waits_for_work_elsewhere(scheduler: Scheduler) -> None:
    """What is blocked by a task that somebody else works on can become ready."""
    scheduler.handler("mine")(Busy())
    theirs = TaskSpec("theirs", agent_type="theirs")
    made = await scheduler.enqueue_many(
        [theirs, TaskSpec("mine", agent_type="mine", prerequisites=[theirs])]
    )
    (claim,) = await scheduler.claim("somebody", ["theirs"])
    async with trio.open_nursery() as nursery:

        async def finish() -> None:
            await trio.sleep(200)
            await scheduler.complete(claim)

        nursery.start_soon(finish)
        await scheduler.run_workers(until_idle=True)
    assert (await scheduler.get(made[1])).status is Status.COMPLETED


async def test_idle_does_not_wait_for_nobody(scheduler: Scheduler) -> None:
    """What is blocked by a task that nobody works on stays so."""
    scheduler.handler("mine")(Busy())
    theirs = TaskSpec("theirs", agent_type="theirs")
    await scheduler.enqueue_many(
        [theirs, TaskSpec("mine", agent_type="mine", prerequisites=[theirs])]
    )
    began = trio.current_time()
    await scheduler.run_workers(until_idle=True)
    assert trio.current_time() == began


async def test_idle_waits_for_a_lease_of_somebody_else(scheduler: Scheduler) -> None:
    """It may expire, and then the task is ours."""
    scheduler.handler("general")(Busy())
    task = await scheduler.enqueue("work")
    await scheduler.claim("dead", lease=100)
    await scheduler.run_workers(until_idle=True)
    assert ((await scheduler.get(task)).status, trio.current_time()) == (Status.COMPLETED, 110)


async def test_a_paused_lane_is_no_hang(scheduler: Scheduler) -> None:
    """Its tasks stay, and the others are done."""
    scheduler.handler("paused")(Busy())
    scheduler.handler("general")(Busy())
    await scheduler.pause("paused")
    held = await scheduler.enqueue("held", agent_type="paused")
    (done,) = await work_off(scheduler, "done")
    assert done.status is Status.COMPLETED
    assert (await scheduler.get(held)).status is Status.READY


async def test_retries_are_waited_for(scheduler: Scheduler) -> None:
    @scheduler.handler("general")
    async def work(job: Job) -> int:
        if job.task.attempt < 3:
            raise ValueError
        return job.task.attempt

    (task,) = await work_off(scheduler, "work")
    assert task.result == 3


@pytest.mark.parametrize("outage", [3.0, 60.0])
async def test_an_outage_of_the_store(outage: float) -> None:
    """What ended meanwhile is told until it is heard, and is done once."""
    store = FailingStore(MemoryStore())
    runs: list[str] = []
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:

        @scheduler.handler("general", concurrency=2)
        async def work(job: Job) -> None:
            runs.append(job.task.description)
            await trio.sleep(5)
            if job.payload:
                raise ValueError

        async with working(scheduler):
            made = await scheduler.enqueue_many(
                [TaskSpec("a"), TaskSpec("b", payload=1, max_attempts=1)]
            )
            await trio.sleep(1)
            store.failing = True
            await trio.sleep(outage)
            store.failing = False
            ended = await scheduler.wait(made)
        assert [task.status for task in ended] == [Status.COMPLETED, Status.FAILED]
        assert sorted(runs) == ["a", "b"]


async def test_what_a_dead_process_held(scheduler: Scheduler) -> None:
    """Of this host: it goes back at once, and not when its lease expires."""
    scheduler.handler("general")(Busy())
    pid = dead_process()
    task = await scheduler.enqueue("work")
    await scheduler.claim(holder_name("pool", 0).replace(f":{os.getpid()}:", f":{pid}:"))
    began = trio.current_time()
    await scheduler.run_workers(until_idle=True)
    assert (await scheduler.get(task)).status is Status.COMPLETED
    assert trio.current_time() - began == pytest.approx(10)


async def test_a_claim_revoked_before_it_arrived(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job of a claim that has been taken away meanwhile is not begun."""
    busy = Busy()
    scheduler.handler("general")(busy)
    monkeypatch.setattr(keeping.Listener, "was_early", lambda self, token: True)
    task = await scheduler.enqueue("work")
    async with working(scheduler):
        await trio.sleep(1)
        assert (await scheduler.get(task)).status is Status.RUNNING
    assert busy.order == []


async def test_two_pools_share_a_file(scheduler: Scheduler) -> None:
    """Each task is done once, whoever takes it."""
    other = Scheduler(scheduler._door)
    runs: list[str] = []

    async def work(job: Job) -> None:
        runs.append(job.task.id)
        await trio.sleep(1)

    for handle in (scheduler, other):
        handle.handler("general", concurrency=3)(work)
    made = await scheduler.enqueue_many([TaskSpec(str(n)) for n in range(50)])
    async with trio.open_nursery() as nursery:
        for handle in (scheduler, other):
            nursery.start_soon(lambda handle=handle: handle.run_workers(until_idle=True))  # type: ignore[misc]
    assert sorted(runs) == [task.id for task in made]


def virtual_moment(seconds: float) -> object:
    """So many seconds from now, on the virtual wall."""
    from scheduler.domain.task import moment

    return moment(virtual_wall() + seconds)


def dead_process() -> int:
    """The number of a process that has ended."""
    pid = os.posix_spawnp("true", ["true"], {})
    os.waitpid(pid, 0)
    return pid
