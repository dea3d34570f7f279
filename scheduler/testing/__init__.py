"""For tests of programs that embed the scheduler: no waiting, and any race again from its seed.

    async def program() -> list[str]:
        async with testing.open_scheduler(seed=7) as scheduler:
            ...

    testing.run(program, seed=7)

`run` replaces `trio.run`: its clock jumps to the next timeout whenever every task waits, and the
seed decides which task goes first when several could. `open_scheduler` opens one in memory whose
wall clock goes with Trio's and whose ids, tokens and jitter come from the seed. See
docs/testing.md for pytest-trio, and for what a seed cannot decide.
"""

from __future__ import annotations

from scheduler.testing.opening import START, now, open_scheduler, wall_clock
from scheduler.testing.running import run

__all__ = ["START", "now", "open_scheduler", "run", "wall_clock"]
