"""Workers in a program on threads."""

from __future__ import annotations

import sys
import threading

import pytest

from scheduler import InvalidRequest, Status
from scheduler.threads import open_scheduler
from scheduler.workers.job import BlockingJob
from tests.bridging.test_threads_program import interrupted_when


def test_plain_functions_and_commands_run_until_idle() -> None:
    """`run_workers` blocks until then."""
    with open_scheduler() as scheduler:

        @scheduler.handler("plain")
        def plain(job: BlockingJob) -> int:
            job.report(0.5)
            job.enqueue("A child", agent_type="command")
            return 7

        scheduler.handler("command", run=[sys.executable, "-c", "print('true')"])
        task = scheduler.enqueue("A task", agent_type="plain")
        scheduler.run_workers(until_idle=True)
        assert scheduler.get(task).result == 7
        [child] = scheduler.list(agent_type="command").tasks
        assert (child.status, child.parent_id) == (Status.COMPLETED, task.id)


def test_a_coroutine_function_is_refused_with_the_fix() -> None:
    """There is no loop for it."""
    with open_scheduler() as scheduler:

        async def coroutine(job: object) -> None:
            """Never runs."""

        with pytest.raises(InvalidRequest) as caught:
            scheduler.handler("general")(coroutine)
        assert "kind=" in str(caught.value.hint)


def test_an_interrupt_ends_the_workers_in_order() -> None:
    """The thread is told to stop, and its task goes back."""
    began = threading.Event()
    with open_scheduler() as scheduler:

        @scheduler.handler("general")
        def handle(job: BlockingJob) -> None:
            began.set()
            job.sleep(60)

        task = scheduler.enqueue("A task")
        with interrupted_when(began):
            scheduler.run_workers()
        assert scheduler.get(task).status is Status.READY


def test_another_thread_can_end_the_workers() -> None:
    """`run_workers` returns."""
    began = threading.Event()
    with open_scheduler() as scheduler:

        @scheduler.handler("general")
        def handle(job: BlockingJob) -> None:
            began.set()
            job.sleep(60)

        scheduler.enqueue("A task")
        workers = threading.Thread(target=scheduler.run_workers)
        workers.start()
        assert began.wait(10)
        scheduler.end_workers()
        workers.join(10)
        assert not workers.is_alive()


def test_the_end_of_the_block_ends_the_workers() -> None:
    """Also those that another thread runs."""
    began = threading.Event()
    ends: list[str] = []

    with open_scheduler() as scheduler:

        @scheduler.handler("general")
        def handle(job: BlockingJob) -> None:
            began.set()
            job.sleep(60)

        def work() -> None:
            scheduler.run_workers()
            ends.append("returned")

        scheduler.enqueue("A task")
        workers = threading.Thread(target=work)
        workers.start()
        assert began.wait(10)
    workers.join(10)
    assert ends == ["returned"]
