"""Eight agents as processes of their own race for the tasks of one file, and are killed.

Five work through a `headrace mcp` each, three open the file themselves. Every 0.3 s one of these
processes is killed, whether it owns the file or not. Each agent puts down what it did; in the end
these journals must show that no task was held twice at a time, none was handed out before what it
waits for was done, no token was of use after it had been replaced, and everything came to its end.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import trio

from scheduler import TaskSpec, open_scheduler
from torture.kills import file
from torture.parts import Budget, Outcome, Violation
from torture.processes.starting import Starter, starter
from torture.races import checker
from torture.races.checker import Story
from torture.races.contest import Contest
from torture.races.journal import read

TASKS, TASKS_A_SECOND, FEWEST = 5_000, 25, 50
MANY_ATTEMPTS = 1_000
DISTANCE = 40  # places between a task and what it waits for, at the most
LATEST = 120.0  # seconds beyond the budget, after which what is left is stuck


def run(budget: Budget) -> Outcome:
    """Contests on new files, until the time is up."""
    outcome, totals = Outcome(), Counter[str]()
    ends = time.monotonic() + budget.seconds
    with starter() as starting:
        while not totals["rounds"] or time.monotonic() < ends:
            left = max(0.0, ends - time.monotonic())
            tasks = max(FEWEST, min(TASKS, int(left * TASKS_A_SECOND)))
            seed = budget.seed + totals["rounds"]
            wrong = one_round(starting, tasks, seed, budget.folder, left + LATEST, totals)
            again = f"python -m torture --only races --seed {seed}"
            outcome.violations += [Violation(promise, what, again) for promise, what in wrong]
    outcome.counts = dict(totals)
    return outcome


def one_round(
    starting: Starter, tasks: int, seed: int, folder: Path, seconds: float, totals: Counter[str]
) -> list[tuple[str, str]]:
    """What was broken; then the file and the journals are kept."""
    chance = random.Random(seed)
    place = Path(tempfile.mkdtemp(prefix=f"race-{seed}-", dir=folder))
    needs = trio.run(fill, place / "tasks.db", tasks, chance)
    contest = Contest(starting, place / "tasks.db", chance)
    trio.run(contest.run, seconds)
    rows = file.read(place / "tasks.db")
    story = Story(read(place.glob("*.journal")), contest.died)
    wrong = contest.wrong + list(_broken(story, needs, rows))
    held, tried = checker.holds(story), checker.stale(story)
    totals.update(
        {
            "rounds": 1,
            "tasks": tasks,
            "completed": sum(row.status == "completed" for row in rows.rows.values()),
            **contest.kills,
            "kills": contest.kills.total(),
            "claims": len(story.claims),
            "holds compared": len(held),
            "stale tokens refused": tried.refused,
            "violations": len(wrong),
        }
    )
    if not wrong:
        shutil.rmtree(place)
    return wrong


def _broken(
    story: Story, needs: dict[str, list[str]], rows: file.File
) -> Iterator[tuple[str, str]]:
    held = checker.holds(story)
    left = Counter(row.status for row in rows.rows.values() if row.status != "completed")
    if left:
        yield "P4", f"these are left: {dict(left)}"
    yield from (
        ("P3", f"the token of {story.claims[token].task} was given twice") for token in story.twice
    )
    yield from (("P3", what) for what in checker.overlaps(held))
    yield from (("P3", what) for what in checker.unfair(story, held))
    yield from (("P3", what) for what in checker.stale(story).accepted)
    yield from (("P5", what) for what in checker.early(story, needs))
    yield from (("P5", what) for what in rows.broken_order)
    yield from (("P1", what) for what in checker.ends(story, rows.rows))
    yield from (("P7", what) for what in checker.odd(story))


async def fill(database: Path, tasks: int, chance: random.Random) -> dict[str, list[str]]:
    """Make the tasks; what each of them waits for, by id."""
    specs: list[TaskSpec] = []
    for place in range(tasks):
        near = specs[max(0, place - DISTANCE) :]
        before = chance.sample(near, min(len(near), chance.choice((0, 1, 1, 2))))
        specs.append(TaskSpec(f"t{place}", prerequisites=before, max_attempts=MANY_ATTEMPTS))
    async with open_scheduler(database) as scheduler:
        made = await scheduler.enqueue_many(specs)
    return {task.id: list(task.prerequisites) for task in made}
