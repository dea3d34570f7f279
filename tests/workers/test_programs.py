"""Workers in real programs: several on one file, one that is interrupted, one that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio

from scheduler import Job, Status, TaskSpec, connect, open_scheduler
from scheduler.sharing import framing
from tests.sharing.conftest import run_within_a_minute

from .conftest import until, working

pytestmark = [pytest.mark.process, pytest.mark.trio(run=run_within_a_minute)]

PROGRAM = """
import sys, trio
from scheduler import connect

async def main():
    async with connect(sys.argv[1]) as scheduler:
        @scheduler.handler("general", concurrency=2)
        async def work(job):
            try:
                print("begun", flush=True)
                await trio.sleep(60)
            finally:
                print("cleaned up", flush=True)

        await scheduler.run_workers(lease=300)

trio.run(main)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
def program(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that does the tasks of the file, with one of them in hand."""

    async def fill() -> None:
        async with open_scheduler(path) as scheduler:
            await scheduler.enqueue("work")

    trio.run(fill)
    words = [sys.executable, "-c", PROGRAM, str(path)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        try:
            yield child
        finally:
            child.kill()


async def test_an_interrupt(path: Path, program: subprocess.Popen[str]) -> None:
    """Ctrl-C ends it in order: the job cleans up, its task goes back."""
    program.send_signal(signal.SIGINT)
    out, err = await trio.to_thread.run_sync(program.communicate)
    assert out == "cleaned up\n"
    assert err.strip().endswith("KeyboardInterrupt")
    assert "ExceptionGroup" not in err
    async with open_scheduler(path) as scheduler:
        (task,) = (await scheduler.list()).tasks
        assert (task.status, task.attempt) == (Status.READY, 0)


async def test_a_kill(path: Path, program: subprocess.Popen[str]) -> None:
    """The next workers on this host have its task at once, not when its lease expires."""
    program.kill()
    program.wait()
    async with open_scheduler(path) as scheduler:

        @scheduler.handler("general")
        async def work(job: Job) -> int:
            return job.task.attempt

        with trio.fail_after(10):
            await scheduler.run_workers(until_idle=True)
        (task,) = (await scheduler.list()).tasks
        assert (task.status, task.result) == (Status.COMPLETED, 1)


async def test_pools_in_several_handles(path: Path) -> None:
    """One owns the file, the others reach it through a socket; each task is done once."""
    done: Counter[str] = Counter()
    async with connect(path) as owner, connect(path) as other, connect(path) as third:

        async def work(job: Job) -> str:
            await job.report(0.5)
            done[job.task.id] += 1
            return "x" * 1_000

        made = await other.enqueue_many([TaskSpec(str(n)) for n in range(300)])
        async with trio.open_nursery() as nursery:
            for handle in (owner, other, third):
                handle.handler("general", concurrency=8)(work)
                nursery.start_soon(partial(handle.run_workers, until_idle=True))
        assert done == Counter({task.id: 1 for task in made})


async def test_a_cancel_from_another_process(path: Path) -> None:
    """It reaches the job long before a heartbeat would."""
    heard = trio.Event()
    async with connect(path) as owner, connect(path) as other:
        begun = trio.Event()

        @other.handler("general")
        async def work(job: Job) -> None:
            begun.set()
            try:
                await trio.sleep_forever()
            finally:
                heard.set()

        task = await owner.enqueue("work")
        async with working(other, lease=3_600):
            await begun.wait()
            await owner.cancel(task)
            with trio.fail_after(5):
                await heard.wait()


async def test_the_owner_goes(path: Path) -> None:
    """Workers go on while another process takes over; what was in hand is done once."""
    done: Counter[str] = Counter()
    gate, opened, leave = trio.Event(), trio.Event(), trio.Event()

    async def own() -> None:
        async with connect(path):
            opened.set()
            await leave.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(own)
        await opened.wait()
        async with connect(path) as other:

            @other.handler("general", concurrency=4)
            async def work(job: Job) -> None:
                done[job.task.id] += 1
                await gate.wait()

            made = await other.enqueue_many([TaskSpec(str(n)) for n in range(20)])
            async with working(other):
                await until(lambda: len(done) == 4)
                leave.set()
                gate.set()
                ended = await other.wait(made)
    assert {task.status for task in ended} == {Status.COMPLETED}
    assert set(done.values()) == {1}


async def test_results_too_large_to_be_told_together(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told in several messages, as they are claimed in several."""
    monkeypatch.setattr(framing, "LARGEST", 1_000_000)
    async with connect(path), connect(path) as other:

        @other.handler("general", concurrency=20)
        async def work(job: Job) -> str:
            return "x" * 200_000

        specs = [TaskSpec(str(n), payload="y" * 200_000) for n in range(20)]
        made = [(await other.enqueue_many([spec]))[0] for spec in specs]
        with trio.fail_after(20):
            await other.run_workers(until_idle=True)
        for task in made:
            assert (await other.get(task)).status is Status.COMPLETED
