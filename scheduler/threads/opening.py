"""open_scheduler and connect for threads, with the options of those for Trio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager, suppress
from functools import partial, wraps
from typing import ParamSpec

from scheduler import embedding
from scheduler.bridging.background import Background
from scheduler.bridging.thread_door import ThreadDoor
from scheduler.domain.errors import SchedulerClosed
from scheduler.embedded import Scheduler
from scheduler.sharing import connecting
from scheduler.threads.blocking_scheduler import BlockingScheduler

P = ParamSpec("P")


def for_threads(
    opening: Callable[P, AbstractAsyncContextManager[Scheduler]],
) -> Callable[P, AbstractContextManager[BlockingScheduler]]:
    """The same as a plain `with` block: opens in a thread of its own, yields a blocking handle."""

    @wraps(opening)
    def opening_here(
        *args: P.args, **kwargs: P.kwargs
    ) -> AbstractContextManager[BlockingScheduler]:
        return _open(partial(opening, *args, **kwargs))

    return opening_here


@contextmanager
def _open(
    opening: Callable[[], AbstractAsyncContextManager[Scheduler]],
) -> Iterator[BlockingScheduler]:
    background = Background(opening)
    background.start()
    try:
        opened = background.opened.result()
    except BaseException:  # also an interrupt
        background.end()
        raise
    door = ThreadDoor(opened.value._door, opened.token, opened.nursery)
    scheduler = BlockingScheduler(Scheduler(door, opened.value._sources, "thread"))
    try:
        yield scheduler
    finally:
        if background.is_here:
            _leave(background, scheduler)


def _leave(background: Background[Scheduler], scheduler: BlockingScheduler) -> None:
    """End workers and actors in order, and raise what they ended by."""
    try:
        with suppress(SchedulerClosed):  # the actors have ended before
            scheduler.end_workers()
        background.stop()
        background.ended.result()
    finally:
        if background.ended.done():  # else this was interrupted: the thread is joined at exit
            background.end()


open_scheduler = for_threads(embedding.open_scheduler)
connect = for_threads(connecting.connect)
