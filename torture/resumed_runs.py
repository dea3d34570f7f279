"""Kills `headrace run` with kill -9 at random moments and proves what a resumed run promises.

Each task's command appends to a log when it starts and when it ends; `run --json` says which
tasks it acknowledged as done. After every kill the same command is started again; when a
workflow has reached its end, the next one begins in the same database. Then it must hold that

- no task starts again that was acknowledged as done before a kill (nothing is repeated),
- every run finds done what earlier ones acknowledged, the last one ends with exit code 0, and
  every command ran to its end (nothing is lost),
- no task starts before the commands that it waits for have ended.

A task that was running at the moment of a kill runs again: execution is at least once.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

from torture.parts import Budget, Outcome, Violation

TASKS = 120  # in each workflow
KILLED = -signal.SIGKILL  # an exit code
LONGEST = 2.0  # seconds until a kill
COMMAND = 'echo "start $HEADRACE_REF" >> "$0"; sleep "$1"; echo "end $HEADRACE_REF" >> "$0"'


@dataclass
class Workflow:
    """A random graph whose tasks write to one log."""

    path: Path
    log: Path
    waits_for: dict[str, list[str]]
    acknowledged: set[str] = field(default_factory=set)
    done_at_kill: dict[str, int] = field(default_factory=dict)  # ref -> entries in the log then

    def entries(self) -> list[tuple[str, str]]:
        """What the commands did, in order: ("start" or "end", ref)."""
        text = self.log.read_text() if self.log.exists() else ""
        return [(what, ref) for what, ref in map(str.split, text.splitlines())]

    def violations(self) -> list[str]:
        """Broken promises, as sentences."""
        wrong: list[str] = []
        ended: set[str] = set()
        for place, (what, ref) in enumerate(self.entries()):
            if what == "end":
                ended.add(ref)
                continue
            if place >= self.done_at_kill.get(ref, sys.maxsize):
                wrong.append(f"{ref} was acknowledged as done, and ran again after a kill")
            early = [other for other in self.waits_for[ref] if other not in ended]
            if early:
                wrong.append(f"{ref} started before the end of {early}")
        wrong += [f"{ref} never ran to its end" for ref in self.waits_for if ref not in ended]
        return wrong


@dataclass
class Totals:
    """For the table at the end."""

    workflows: int = 0
    tasks: int = 0
    starts: int = 0
    runs: int = 0
    kills: int = 0
    done_before: int = 0


def make_workflow(folder: Path, number: int, tasks: int, chance: random.Random) -> Workflow:
    """Tasks of 10 to 150 ms, each waiting for up to three of the twenty before it."""
    waits_for: dict[str, list[str]] = {}
    path, log = folder / f"work{number}.jsonl", folder / f"work{number}.log"
    with path.open("w") as lines:
        for place in range(tasks):
            near = [f"w{number}.{other}" for other in range(max(0, place - 20), place)]
            ref = f"w{number}.{place}"
            waits_for[ref] = sorted(chance.sample(near, min(len(near), chance.randrange(4))))
            seconds = f"{chance.uniform(0.01, 0.15):.3f}"
            run = ["sh", "-c", COMMAND, str(log), seconds]
            task = {"ref": ref, "run": run, "prerequisites": waits_for[ref]}
            lines.write(json.dumps(task) + "\n")
    return Workflow(path, log, waits_for)


def run_once(work: Workflow, database: Path, kill_after: float | None) -> tuple[int, int | None]:
    """One `headrace run`: its exit code, and how many tasks it found done if it came so far."""
    options = ["--json", "--workers", "4", "--db", str(database)]
    process = subprocess.Popen(
        [sys.executable, "-m", "scheduler.cli", "run", str(work.path), *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    killer = Timer(kill_after or 0.0, process.kill)
    if kill_after is not None:
        killer.start()
    done_before: int | None = None
    assert process.stdout is not None
    for line in process.stdout:
        if not line.endswith("\n"):
            break  # the kill cut it off
        event = json.loads(line)
        if "error" in event:
            raise RuntimeError(line)
        if event["event"] == "completed":
            work.acknowledged.add(event["ref"])
        elif event["event"] == "opened":
            done_before = event["done_before"]
    killer.cancel()
    return process.wait(), done_before


def run(budget: Budget) -> Outcome:
    """Run and kill until the time is up, then let the last workflow come to its end."""
    chance, ends = random.Random(budget.seed), time.monotonic() + budget.seconds
    totals, wrong = Totals(), list[str]()
    while not totals.workflows or time.monotonic() < ends:
        work = make_workflow(budget.folder, totals.workflows, TASKS, chance)
        to_the_end(work, budget.folder / "tasks.db", ends, chance, totals, wrong)
        wrong += work.violations()
        totals.workflows += 1
        totals.tasks += len(work.waits_for)
        totals.starts += sum(what == "start" for what, _ in work.entries())
    again = f"python -m torture --only resumed_runs --seed {budget.seed}"
    broken = [("P5" if "before the end of" in what else "P1", what) for what in wrong]
    return Outcome(figures(totals), [Violation(*one, again) for one in broken])


def to_the_end(
    work: Workflow,
    database: Path,
    ends: float,
    chance: random.Random,
    totals: Totals,
    wrong: list[str],
) -> None:
    """Run one workflow, with kills while there is time for them."""
    code = KILLED
    while code == KILLED:
        moment = chance.uniform(0.05, LONGEST)
        known = len(work.acknowledged)
        code, done_before = run_once(work, database, moment if time.monotonic() < ends else None)
        if done_before is not None and done_before < known:
            wrong.append(f"{known - done_before} acknowledged tasks were no longer done")
        totals.runs += 1
        totals.done_before += done_before or 0
        if code == KILLED:
            totals.kills += 1
            entries = len(work.entries())
            for ref in work.acknowledged:
                work.done_at_kill.setdefault(ref, entries)
    if code != 0:
        wrong.append(f"the last run of {work.path.name} ended with exit code {code}")


def figures(totals: Totals) -> dict[str, float]:
    """The counts of an outcome."""
    return {
        "runs killed with kill -9": totals.kills,
        "runs in all": totals.runs,
        "workflows finished": totals.workflows,
        "tasks": totals.tasks,
        "commands started": totals.starts,
        "started again after a kill": totals.starts - totals.tasks,
        "found done by resumed runs": totals.done_before,
    }
