"""An orchestrator that checks the quality of a repository: run me.

    python examples/orchestrator/orchestrate.py [--fast] [--agents] [--root DIR] [--db FILE]

What holds it together is here: the scheduler, its workers, its server, and the end. Beside it:

    pipeline.py   the graph of steps
    handlers.py   what does them
    report.py     what gathers how they ended
    narrator.py   what tells of it meanwhile
    visitor.py    an agent that shares the queue over MCP
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

import handlers
import pipeline
import report
import trio
import visitor
from narrator import Narrator

from scheduler import Scheduler, SchedulerError, Status, Task, open_scheduler, serve

GOOD, BAD, USAGE, INTERRUPTED = 0, 1, 2, 130
REPOSITORY = Path(__file__).parents[2]


async def orchestrate(database: Path, *, fast: bool, agents: bool) -> int:
    """Check the repository in the current folder; the exit code."""
    group = pipeline.group_of(Path(), fast=fast)
    narrator = Narrator(group)
    async with open_scheduler(database) as scheduler:
        handlers.register(scheduler)
        report.register(scheduler, database.with_name("report.json"))
        with scheduler.on_event(narrator.tell):
            code = INTERRUPTED
            async with trio.open_nursery() as nursery:  # what fails in it ends all of it
                nursery.start_soon(end_on_signal, nursery.cancel_scope)
                await nursery.start(serve, scheduler)  # agents and the command line may come
                last, review = await pipeline.submit(scheduler, group, fast=fast)
                narrator.begin(last)
                nursery.start_soon(scheduler.run_workers)
                if agents and not review.status.finished:
                    nursery.start_soon(visitor.visit, database, group)
                code = await verdict(scheduler, [last, review] if agents else [last])
                nursery.cancel_scope.cancel()
        narrator.end(code)
    return code


async def verdict(scheduler: Scheduler, awaited: list[Task]) -> int:
    """Wait for the last steps. If the report fails, the review is cancelled with it."""
    tasks = await scheduler.wait(awaited)
    return GOOD if all(task.status is Status.COMPLETED for task in tasks) else BAD


async def end_on_signal(scope: trio.CancelScope) -> None:
    """End in order: running steps are told to stop, and go back to the queue."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


def main() -> int:
    """Returns 0 if all is good, 1 if a step failed, 2 for want of the file, 130 if interrupted."""
    parser = argparse.ArgumentParser(description="Check the quality of a repository.")
    parser.add_argument("--fast", action="store_true", help="only what takes seconds")
    parser.add_argument("--agents", action="store_true", help="let an agent review the report")
    parser.add_argument("--root", type=Path, default=REPOSITORY, metavar="DIR")
    parser.add_argument("--db", type=Path, metavar="FILE", help="default: build/quality/tasks.db")
    options = parser.parse_args()
    database = (options.db or options.root / "build" / "quality" / "tasks.db").absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=database.with_name("log.txt"))
    os.chdir(options.root)
    code = USAGE
    try:
        code = trio.run(lambda: orchestrate(database, fast=options.fast, agents=options.agents))
    except* SchedulerError as group:  # such as a file that another process has open
        for error in group.exceptions:
            print(error, *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
