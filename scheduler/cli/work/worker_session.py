"""One worker, from the opening of its queue to the exit code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio

from scheduler.cli import exit_codes
from scheduler.cli.signals import heeded
from scheduler.cli.work.worker import Worker
from scheduler.cli.work.worker_display import Display, Opening
from scheduler.cli.work.worker_exec import perform
from scheduler.cli.work.worker_queue import Queue, Wanted, Work, open_file
from scheduler.domain.errors import InvalidRequest
from scheduler.workers.processes.outcomes import Outcome

NO_RELEASE = (
    "this server offers no task_release (run it with --tools all): tasks that are given back wait"
    " for their leases to end"
)
SHOWN = 200  # characters of a wrong command
EXPOSED = "this connection is not encrypted: whoever is on the way reads the token and the tasks"


class Settings(msgspec.Struct, frozen=True):
    """The options of `work`; `url` is None for a database file. Spans are seconds."""

    wanted: Wanted
    command: str
    concurrency: int
    grace: float
    until_idle: bool
    database: str
    url: str | None
    token_file: Path | None
    as_json: bool


def run_worker(settings: Settings) -> int:
    """Work until idle, or to a signal; returns the exit code."""
    session = _Session(settings)
    trio.run(session.run)
    session.display.closed()
    if session.unfit is not None:
        raise InvalidRequest(
            f"the command cannot be run: {session.unfit}",
            field="--exec",
            received=settings.command[:SHOWN],
            allowed="a command line for sh in this folder",
            hint="Mend it and start this worker anew. No task was failed by it: they went back.",
        )
    if session.gave_back:
        return 128 + session.signal
    if settings.until_idle and session.display.ends["failed"]:
        return exit_codes.NEGATIVE
    return exit_codes.OK


class _Session:
    def __init__(self, settings: Settings) -> None:
        self.display = Display(as_json=settings.as_json)
        self.signal = 0  # the first one
        self.gave_back = False  # work that was not done by then
        self.unfit: str | None = None  # why the command cannot be run
        self._settings = settings

    async def run(self) -> None:
        settings = self._settings
        async with self._queue() as queue:
            worker = Worker(
                queue,
                self._perform,
                concurrency=settings.concurrency,
                lease=settings.wanted.lease,
                until_idle=settings.until_idle,
                notify=self.display.happened,
            )
            async with trio.open_nursery() as nursery:
                await nursery.start(self._obey_signals, worker)
                self.display.opened(self._opening())
                await worker.run()
                self.gave_back, self.unfit = worker.gave_back, worker.unfit
                nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _queue(self) -> AsyncIterator[Queue]:
        settings = self._settings
        if settings.url is None:
            async with open_file(settings.database, settings.wanted) as queue:
                yield queue
        else:
            from scheduler.cli.work.worker_address import read_address
            from scheduler.cli.work.worker_remote import open_url

            address = read_address(settings.url, settings.token_file)
            if address.exposed:
                self.display.warned(EXPOSED)
            async with open_url(address, settings.wanted) as remote:
                if not remote.can_release:
                    self.display.noted(NO_RELEASE)
                yield remote

    def _opening(self) -> Opening:
        settings = self._settings
        return Opening(
            holder=settings.wanted.holder,
            agent_types=settings.wanted.agent_types,
            queue=settings.url or settings.database,
            concurrency=settings.concurrency,
            lease_seconds=settings.wanted.lease,
        )

    async def _perform(self, work: Work) -> Outcome:
        settings = self._settings
        at_url = settings.url is not None
        place = {
            "HEADRACE_DB": None if at_url else settings.database,
            "HEADRACE_URL": settings.url,
        }
        return await perform(settings.command, work, place)

    async def _obey_signals(
        self, worker: Worker, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """The first lets what runs end within the grace; the second ends it at once."""
        with trio.open_signal_receiver(*heeded()) as signals:
            task_status.started()
            self.signal = await anext(aiter(signals))
            worker.take_no_more()
            self.display.stopping(idle=worker.idle)
            with trio.move_on_after(self._settings.grace):
                await anext(aiter(signals))
            worker.give_back()
            async for _ in signals:
                pass  # it ends in seconds
