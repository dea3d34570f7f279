"""Ctrl-C while the scheduler is at work, which it is most of the time under load."""

from __future__ import annotations

import signal
from typing import Literal

import pytest
import trio

from persistence.memory import MemoryStore
from scheduler import open_scheduler
from tests.support.stores import WrappedStore


class InterruptedStore(WrappedStore):
    """Ctrl-C is pressed in its `at`-th commit."""

    commits = 0
    at = 4

    def _pass(self, method: str) -> None:
        self.commits += method == "commit"
        if method == "commit" and self.commits == self.at:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("callers", [1, 2])
@pytest.mark.parametrize("durability", ["committed", "accepted"])
def test_all_that_was_answered_is_saved(
    callers: int, durability: Literal["committed", "accepted"]
) -> None:
    """It is raised in the program's own task, and the block ends as after any other error."""
    store = InterruptedStore(MemoryStore())
    answered: set[str] = set()

    async def program() -> None:
        async with open_scheduler(store=store, durability=durability) as scheduler:

            async def call() -> None:
                while True:
                    answered.add((await scheduler.enqueue("work")).id)

            async with trio.open_nursery() as nursery:
                for _ in range(callers):
                    nursery.start_soon(call)

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - a group, or the interrupt alone
        trio.run(program)
    assert _leaves(caught.value) == {KeyboardInterrupt}
    assert store.commits >= store.at
    assert answered <= {task.id for task in store.inner.load().tasks}


def _leaves(error: BaseException) -> set[type[BaseException]]:
    if isinstance(error, BaseExceptionGroup):
        return {kind for inner in error.exceptions for kind in _leaves(inner)}
    return {type(error)}
