"""Jobs that are plain functions, each in a thread of Trio's cache."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

import outcome
import trio

from scheduler.bridging.blocking import BlockingHandle
from scheduler.bridging.ferry import Ferry, nothing
from scheduler.workers.job import BlockingJob
from scheduler.workers.running import Ended, Running


class InThreads:
    """See the module. As many threads as jobs: what bounds them is the handlers' concurrency."""

    can_abandon = True

    def __init__(
        self, handle: BlockingHandle, token: trio.lowlevel.TrioToken, ended: Ended
    ) -> None:
        self._handle = handle
        self._ended = ended
        self._back = Ferry(token.run_sync_soon)

    def start(self, running: Running) -> None:
        claim = running.claim
        job = BlockingJob(
            claim.task, claim.token, claim.results, claim.truncated, scheduler=self._handle
        )
        running.cancel = job.stopped.set
        function = running.handler.function
        assert function is not None
        context = copy_context()
        trio.lowlevel.start_thread_soon(
            partial(context.run, _call, function, job),
            partial(self._deliver, running),
            name=running.handler.title,
        )

    def _deliver(self, running: Running, result: outcome.Maybe[Any]) -> None:
        """Called in the thread; when Trio has ended, nobody is there to hear."""
        self._back.carry(partial(self._ended, running, result), nothing)


def _call(function: Callable[[Any], Any], job: BlockingJob) -> Any:
    return function(job)
