"""A program without an event loop that embeds the scheduler, on real files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from persistence.memory import MemoryStore
from scheduler import InvalidRequest, SchedulerClosed, StoreLocked, StoreUnavailable, TaskSpec
from scheduler.bridging.blocking import finish
from scheduler.bridging.thread_door import ThreadDoor
from scheduler.threads import BlockingScheduler, connect, open_scheduler, serve
from tests.bridging.test_asyncio_program import CrashingStore


def test_a_life_of_tasks_on_a_file(tmp_path: Path) -> None:
    """Enqueue, claim, heartbeat, complete, and find it all after a restart."""
    with open_scheduler(tmp_path / "tasks.db") as scheduler:
        build, test = scheduler.enqueue_many(
            [spec := TaskSpec("Build"), TaskSpec("Test", prerequisites=[spec])]
        )
        [claim] = scheduler.claim("w", limit=5)
        assert claim.task.id == build.id
        scheduler.heartbeat(claim, progress=0.5)
        assert scheduler.complete(claim, {"ok": True}).released == (test.id,)
    with open_scheduler(tmp_path / "tasks.db") as scheduler:
        [claim] = scheduler.claim("w")
        assert list(claim.results.values()) == [{"ok": True}]


def test_many_threads_use_one_handle() -> None:
    """Each gets its own answer, and no two the same task."""
    with open_scheduler() as scheduler, ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda n: scheduler.enqueue(f"{n}"), range(200)))
        assert [task.description for task in made] == [f"{n}" for n in range(200)]
        granted = threads.map(lambda _: scheduler.claim("w", limit=5), range(40))
        assert len({claim.task.id for claims in granted for claim in claims}) == 200


def test_changes_are_a_loop() -> None:
    """It ends when the scheduler closes."""
    with open_scheduler() as scheduler:
        scheduler.enqueue("A task")
        feed = scheduler.changes(since=0)
        assert next(feed).task.description == "A task"
        rest: list[object] = []
        reader = threading.Thread(target=lambda: rest.extend(feed))
        reader.start()
    reader.join(10)
    assert not reader.is_alive()
    assert rest == []


@contextmanager
def interrupted_when(event: threading.Event) -> Iterator[None]:
    """Ctrl-C, as soon as the event is set and this thread waits."""

    def interrupt() -> None:
        event.wait(10)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        thread.join()


def _at_once() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_an_interrupt_cancels_the_call_that_waits() -> None:
    """The next one gets the task that comes then."""
    with open_scheduler() as scheduler:
        with interrupted_when(_at_once()):
            scheduler.claim("gone", wait=60)
        scheduler.enqueue("A task")
        assert len(scheduler.claim("next")) == 1


def test_an_interrupt_in_the_moment_of_the_answer_loses_no_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer has come, and the thread has not gone on yet."""

    class Interrupting:
        """A queue whose reader is interrupted once there is something to be read."""

        def __init__(self) -> None:
            self._told = threading.Event()

        def put(self, _: object) -> None:
            self._told.set()

        def get(self) -> None:
            assert self._told.wait(10)
            raise KeyboardInterrupt

    with open_scheduler() as scheduler:
        scheduler.enqueue("A task")
        with monkeypatch.context() as patched:
            patched.setattr("scheduler.bridging.thread_door.SimpleQueue", Interrupting)
            with pytest.raises(KeyboardInterrupt):
                scheduler.claim("gone")
        assert len(scheduler.claim("next", wait=20)) == 1


def test_an_interrupt_waits_for_what_runs_in_trio() -> None:
    """It has tidied up when the interrupt is raised."""
    story: list[str] = []

    async def job() -> None:
        try:
            await trio.sleep_forever()
        finally:
            story.append("ended")

    with open_scheduler() as scheduler:
        with interrupted_when(_at_once()):
            _run_in_trio(scheduler, job)
        assert story == ["ended"]


def _run_in_trio(scheduler: BlockingScheduler, job: Callable[[], Awaitable[None]]) -> None:
    door = scheduler._handle._door
    assert isinstance(door, ThreadDoor)
    finish(door.run_in_trio(job))


def test_two_programs_share_a_file(tmp_path: Path) -> None:
    """One serves it; the other connects."""
    path = tmp_path / "tasks.db"
    with open_scheduler(path) as scheduler:
        with serve(scheduler), connect(path) as other:
            other.enqueue("From outside")
            with pytest.raises(InvalidRequest, match="no file of its own"), serve(other):
                pass
        assert len(scheduler.claim("w")) == 1


def test_what_ends_a_service_is_raised_at_the_end_of_its_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here, that somebody moved the file."""
    monkeypatch.setattr("scheduler.sharing.serving.LOOK_EVERY", 0.01)
    path = tmp_path / "tasks.db"
    with open_scheduler(path) as scheduler:
        block = serve(scheduler)
        block.__enter__()
        path.rename(tmp_path / "moved.db")
        while finish(scheduler._handle._door.run_in_trio(_serves)):
            pass
        with pytest.raises(StoreUnavailable, match="moved"):
            block.__exit__(None, None, None)


async def _serves() -> bool:
    """Whether a server is among the tasks of this loop."""
    await trio.sleep(0.01)
    root = trio.lowlevel.current_root_task()
    assert root is not None
    waiting = [root]
    while waiting:
        task = waiting.pop()
        if "_accept" in task.name:
            return True
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return False


def test_trouble_at_opening_is_raised_as_itself(tmp_path: Path) -> None:
    """And leaves no thread."""
    with open_scheduler(tmp_path / "tasks.db"):
        with pytest.raises(StoreLocked), open_scheduler(tmp_path / "tasks.db"):
            pass
        assert _trio_threads() == 1
    assert _trio_threads() == 0


def _trio_threads() -> int:
    return sum(thread.name == "headrace-trio" for thread in threading.enumerate())


def test_a_crash_of_the_actors_is_told_to_every_call() -> None:
    """And raised at the end of the block."""
    block = open_scheduler(store=CrashingStore(MemoryStore()))
    scheduler = block.__enter__()
    for _ in range(3):
        with pytest.raises(SchedulerClosed) as caught:
            scheduler.enqueue("A task")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        block.__exit__(None, None, None)


def test_after_the_block_every_call_is_refused() -> None:
    """It names the fix."""
    with open_scheduler() as scheduler:
        pass
    with pytest.raises(SchedulerClosed) as caught:
        scheduler.enqueue("A task")
    assert caught.value.hint


@pytest.mark.process
def test_a_block_that_is_never_left_is_closed_at_exit(tmp_path: Path) -> None:
    """What was answered is in the file, which is free again."""
    path = tmp_path / "tasks.db"
    code = (
        "from scheduler.threads import open_scheduler\n"
        f"block = open_scheduler({str(path)!r}, durability='accepted')\n"
        "block.__enter__().enqueue('A task')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    with open_scheduler(path) as scheduler:
        assert len(scheduler.claim("w")) == 1
