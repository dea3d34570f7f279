"""A swarm at work on one queue, without a language model: run me.

    python examples/agents/swarm.py [--db FILE] [--seed N] [--quick]

Six agents, each with an MCP session of its own on the same file:

    paula   plans: thirty tasks for three types of agents      planner.py
    rosa    researcher: does what needs reading                worker.py
    bella   builder: is killed with -9 in the middle of a task
    ben     builder: comes in her place
    tim     tester
    vera    reviews: was everything done, once, in order?      reviewer.py
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import planner
import reviewer
import trio
from session import Session, open_session
from worker import Worker

FATAL = "build-sync"  # the task at which bella is killed
UNLUCKY = 4  # tasks whose first attempt fails
SHORT_LEASE = 3.0  # seconds that the queue waits for a sign of life of bella
PATIENCE = 120.0  # seconds until the play is broken off


class Swarm:
    """The cast, and who enters when."""

    def __init__(self, database: Path, seed: int, pace: float) -> None:
        self.database = database
        self.seed = seed
        self.pace = pace
        refs = [task["ref"] for task in planner.release(pace) if task["ref"] != FATAL]
        chance = random.Random(seed)  # noqa: S311 - a play, no secret
        self.unlucky = set(chance.sample(refs, UNLUCKY))

    async def play(self) -> bool:
        """From an empty queue to the verdict: whether all is as promised."""
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                await nursery.start(self._bella_then_ben)
                nursery.start_soon(self._work, "rosa", "researcher")
                nursery.start_soon(self._work, "tim", "tester")
                async with open_session("paula", self.database, "--tools", "all") as paula:
                    plan = await planner.submit(paula, self.pace)
                    planner.show(plan)
                    paula.tell("has planned, and leaves")
                async with open_session("vera", self.database) as vera:
                    good = await reviewer.review(vera, plan, self.unlucky, FATAL)
                nursery.cancel_scope.cancel()  # the others wait for more work: send them home
        return good

    async def _work(self, name: str, agent_type: str) -> None:
        async with open_session(name, self.database) as session:
            session.tell(f"is here, {agent_type}")
            await Worker(session, agent_type, self.seed, self.unlucky).run()

    async def _bella_then_ben(self, task_status: trio.TaskStatus[None]) -> None:
        async with open_session("bella", self.database) as bella:
            bella.tell("is here, builder; the first, so her process owns the file")
            task_status.started()
            with trio.CancelScope() as life:
                accident = self._accident(bella, life)
                await Worker(bella, "builder", self.seed, self.unlucky, accident, SHORT_LEASE).run()
        await self._work("ben", "builder")

    def _accident(self, session: Session, life: trio.CancelScope) -> Callable[[str], None]:
        """The end of an agent and of its server, in the middle of the fatal task."""

        def strike(ref: str) -> None:
            if ref == FATAL:
                session.kill()
                life.cancel()
                session.tell(f"KILLED with -9 at {ref}; another process must own the file now")

        return strike


def main() -> int:
    """Returns 0 if the verdict is good."""
    parser = argparse.ArgumentParser(description="Play a swarm of agents at work on one queue.")
    parser.add_argument("--db", type=Path, metavar="FILE", help="keep the queue in this new file")
    parser.add_argument("--seed", type=int, default=7, help="whose attempts fail (default: 7)")
    parser.add_argument("--quick", action="store_true", help="a third of the working time")
    options = parser.parse_args()
    if options.db is not None and options.db.exists():
        parser.error(f"{options.db} is there already; the play wants a queue of its own")
    with TemporaryDirectory() as folder:
        database = options.db or Path(folder) / "tasks.db"
        pace = 1 / 3 if options.quick else 1.0
        good = trio.run(Swarm(database.absolute(), options.seed, pace).play)
    if options.db is not None:
        print(f"\n  See for yourself: headrace list --db {options.db}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
