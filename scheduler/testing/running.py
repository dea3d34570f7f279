"""`trio.run` on a clock that jumps, with the order of the tasks decided by a seed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar, TypeVarTuple

import trio
import trio._core._run
from trio.abc import Clock, Instrument
from trio.testing import MockClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Not public, and made for this purpose: pytest-trio lets Hypothesis repeat a run with them.
_TRIO: Any = trio._core._run
_HOOK = "_ALLOW_DETERMINISTIC_SCHEDULING"  # sort what can run before it is shuffled
_RANDOM = "_r"  # what shuffles it


def run(
    async_function: Callable[[*Ts], Awaitable[T]],
    *args: *Ts,
    seed: int = 0,
    clock: Clock | None = None,
    instruments: Sequence[Instrument] = (),
) -> T:
    """Run `async_function(*args)` to its end, as `trio.run` does, and return what it returns.

        assert testing.run(program, seed=7) == testing.run(program, seed=7)

    Waiting takes no time: when every task waits, the clock (seconds, from 0) jumps to the next
    timeout. Another `seed` is another order of tasks that can run at the same time. An error
    carries a note with the seed that brings it about again. `clock` and `instruments` are those
    of `trio.run`, so that this also is a `run` for pytest-trio.
    """
    clock = MockClock(autojump_threshold=0) if clock is None else clock
    try:
        with _order_from(seed):
            return trio.run(async_function, *args, clock=clock, instruments=instruments)
    except Exception as error:
        error.add_note(f"To see it again: testing.run(..., seed={seed})")
        raise


def order_is_seeded() -> bool:
    """Whether this release of Trio lets a seed decide the order of its tasks."""
    return isinstance(getattr(_TRIO, _RANDOM, None), Random) and hasattr(_TRIO, _HOOK)


@contextmanager
def _order_from(seed: int) -> Iterator[None]:
    """Let the seed decide in which order tasks run; for the whole process, as Trio has it."""
    if not order_is_seeded():  # a later Trio: all else is repeated, the order is Trio's
        yield
        return
    shuffling, before = getattr(_TRIO, _RANDOM), getattr(_TRIO, _HOOK)
    state = shuffling.getstate()
    setattr(_TRIO, _HOOK, True)
    shuffling.seed(seed)
    try:
        yield
    finally:
        shuffling.setstate(state)
        setattr(_TRIO, _HOOK, before)
