"""One run of a workflow, from the file to the exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import trio

from persistence.store import Durability
from scheduler.cli import exit_codes, location
from scheduler.cli.opening import FOR_WORK, opened
from scheduler.cli.run.displays import Display, JsonDisplay, PlainDisplay
from scheduler.cli.run.jobs import job_of
from scheduler.cli.run.progress import Tally
from scheduler.cli.run.runner import Event, Runner
from scheduler.cli.run.summary import Chronicle, Opening, Summary, summarize
from scheduler.cli.signals import heeded
from scheduler.cli.workflow.workflow import Workflow, read_workflow
from scheduler.cli.workflow.workflow_enqueue import enqueue_workflow
from scheduler.domain.task import Status, Task
from scheduler.handle import Handle
from scheduler.workers.holders import take_back

TICK = 0.2  # seconds between two pictures on a terminal


class Settings(msgspec.Struct, frozen=True):
    """The options of `run`."""

    workers: int
    speed: float
    durability: Durability
    database: str
    as_json: bool


def run_workflow(path: Path, group: str | None, settings: Settings) -> int:
    """Run a file to its end, or to a signal; returns the exit code."""
    session = _Session(read_workflow(path, group), settings, _display(settings))
    location.prepare(settings.database)
    try:
        summary = trio.run(session.run)
    finally:
        session.display.stop()
    session.display.closed(summary)
    if session.signal:
        return 128 + session.signal
    return exit_codes.OK if summary.completed == summary.tasks else exit_codes.NEGATIVE


def _display(settings: Settings) -> Display:
    if settings.as_json:
        return JsonDisplay()
    if not sys.stdout.isatty():
        return PlainDisplay()
    from scheduler.cli.run.live_display import LiveDisplay

    return LiveDisplay()


class _Session:
    def __init__(self, workflow: Workflow, settings: Settings, display: Display) -> None:
        self.display = display
        self.signal = 0  # the one that ended it
        self._workflow = workflow
        self._settings = settings
        self._chronicle = Chronicle()

    async def run(self) -> Summary:
        started = time.perf_counter()
        settings = self._settings
        async with opened(
            settings.database, durability=settings.durability, closing_time=FOR_WORK
        ) as scheduler:
            await take_back(scheduler)
            tasks = await enqueue_workflow(scheduler, self._workflow, settings.speed)
            opening = await self._opening(scheduler, tasks)
            self.display.opened(opening)
            await self._work(scheduler, tasks)
            ended = await scheduler.wait(tasks.values(), timeout=0)
        return summarize(
            opening,
            self._workflow,
            dict(zip(tasks, ended, strict=True)),
            self._chronicle,
            seconds=time.perf_counter() - started,
            interrupted=bool(self.signal),
        )

    async def _opening(self, scheduler: Handle, tasks: Mapping[str, Task]) -> Opening:
        status = await scheduler.queue_status()
        lanes = {task.agent_type for task in tasks.values() if not task.status.finished}
        return Opening(
            workflow=self._workflow.name,
            tasks=len(tasks),
            workers=self._settings.workers,
            database=status.database,
            durability=self._settings.durability,
            resumed=any(task.existing for task in tasks.values()),
            done_before=sum(task.status is Status.COMPLETED for task in tasks.values()),
            paused=tuple(lane for lane in status.paused if lane in lanes),
        )

    async def _work(self, scheduler: Handle, tasks: Mapping[str, Task]) -> None:
        """Run what is open, until it has ended or a signal comes."""
        open_tasks = {ref: task for ref, task in tasks.items() if not task.status.finished}
        timed = all(task.estimated for task in self._workflow.tasks.values())
        tally = Tally(tasks.values(), timed=timed, now=trio.current_time())

        def notify(event: Event) -> None:
            now = trio.current_time()
            tally.note(event, now)
            self._chronicle.note(event, now)
            self.display.happened(event, tally)

        runner = Runner(
            scheduler,
            {
                task.id: job_of(self._workflow.tasks[ref], self._settings.speed)
                for ref, task in open_tasks.items()
            },
            sorted({task.agent_type for task in open_tasks.values()}),
            workers=self._settings.workers,
            notify=notify,
        )
        if open_tasks:
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()
                nursery.start_soon(self._stop_on_signal, scope)
                nursery.start_soon(self._tick, tally)
                with scope:
                    await runner.run()
                nursery.cancel_scope.cancel()

    async def _stop_on_signal(self, scope: trio.CancelScope) -> None:
        """End the run in order; further signals change nothing, for it ends in seconds."""
        with trio.open_signal_receiver(*heeded()) as signals:
            async for number in signals:
                self.signal = self.signal or number
                scope.cancel()

    async def _tick(self, tally: Tally) -> None:
        while True:
            self.display.tick(tally)
            await trio.sleep(TICK)
