"""Workflow files with accidents: a clear error, or all of it is enqueued and can be planned.

What a mutated file says is never run: only files without a command are worked off.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from scheduler import testing
from scheduler.cli.run.jobs import job_of
from scheduler.cli.run.runner import Runner
from scheduler.cli.workflow.workflow import Workflow, read_workflow
from scheduler.cli.workflow.workflow_enqueue import enqueue_workflow
from scheduler.cli.workflow.workflow_plan import plan_workflow
from scheduler.domain.errors import DependencyCycle, InvalidRequest, SchedulerError
from torture.fuzz.judging import nothing_logged
from torture.fuzz.values import CANARY, anything, large, word

SLOW = 5.0  # seconds of processor for one file
SHORT = 10_000.0  # seconds of virtual time that a file may take to be worked off
TASKS = 12
MESSAGE = 400  # characters

Task = dict[str, Any]


class Case(msgspec.Struct):
    """What became of one file."""

    refused: bool = False
    tasks: int = 0
    ran: bool = False
    wrong: str = ""


def judge(seed: int, number: int, folder: Path) -> Case:
    """Try one file; the same for the same seed and number."""
    random = Random(f"{seed}:workflow:{number}")
    text, ending = file(random)
    path = folder / f"work{ending}"
    path.write_bytes(text)
    case = Case()
    begun = time.process_time()
    with nothing_logged() as stories:
        try:
            _try(path, case)
        except Exception as error:
            case.wrong = f"{type(error).__name__}: {error}"[:300]
    if stories:
        case.wrong = stories[0]
    if time.process_time() - begun > SLOW:
        case.wrong = f"took {time.process_time() - begun:.0f} s"
    return case


def _try(path: Path, case: Case) -> None:
    try:
        workflow = read_workflow(path)
        plan_workflow(workflow, 3, testing.START)
    except (InvalidRequest, DependencyCycle) as error:
        case.refused = True
        case.wrong = _fault_of(error)
        return
    testing.run(_enqueue, workflow, case)


def _fault_of(error: SchedulerError) -> str:
    """A clear error names the place, keeps its words to itself, and can be sent."""
    if CANARY in error.message or len(error.message) > MESSAGE:
        return f"an error repeats a text: {error.message[:200]!r}"
    json.dumps(error.as_dict())
    return "" if error.message.startswith("work") else f"it names no file: {error.message!r}"


async def _enqueue(workflow: Workflow, case: Case) -> None:
    async with testing.open_scheduler() as scheduler:
        try:
            tasks = await enqueue_workflow(scheduler, workflow)
        except SchedulerError as error:
            case.refused = True
            total = (await scheduler.queue_status()).total_tasks
            case.wrong = f"{error.code}, and {total} tasks are there" if total else ""
            case.wrong = case.wrong or f"read, and refused later: {error.as_dict()}"[:300]
            return
        case.tasks = len(tasks)
        if (total := (await scheduler.queue_status()).total_tasks) != len(workflow.tasks):
            case.wrong = f"{total} tasks of {len(workflow.tasks)}"
        again = await enqueue_workflow(scheduler, workflow)
        if {task.id for task in again.values()} != {task.id for task in tasks.values()}:
            case.wrong = "the same file made other tasks"
        if _is_harmless(workflow):
            jobs = {tasks[ref].id: job_of(task, 1.0) for ref, task in workflow.tasks.items()}
            lanes = sorted({task.agent_type for task in tasks.values()})
            await Runner(scheduler, jobs, lanes, workers=3, notify=lambda event: None).run()
            left = [t.status for t in await scheduler.wait(tasks.values(), timeout=0)]
            case.ran = all(status.finished for status in left)
            if not case.ran:
                case.wrong = f"worked off, and not ended: {left}"


def is_harmless(path: Path) -> bool:
    """Whether a run of this file starts nothing and ends soon."""
    try:
        return _is_harmless(read_workflow(path))
    except SchedulerError:
        return True  # it is refused


def _is_harmless(workflow: Workflow) -> bool:
    tasks = workflow.tasks.values()
    waits = any("not_before" in task.fields for task in tasks)
    runs = any(task.command is not None for task in tasks)
    return not waits and not runs and sum(task.runtime_s or 0 for task in tasks) < SHORT


# ------------------------------------------------------------------- files


def file(random: Random) -> tuple[bytes, str]:
    """The text of a file after an accident, and the ending of its name."""
    tasks = [_task(random, place) for place in range(random.randint(1, TASKS))]
    for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
        _spoil(random, tasks)
    toml = random.random() < 0.4
    try:
        text = _toml(random, tasks) if toml else _lines(random, tasks)
    except ValueError:  # TOML has no null
        text, toml = _lines(random, tasks), False
    harmed = _harmed(random, text.encode("utf-8", "surrogatepass"))
    return harmed, ".toml" if toml else ".jsonl"


def _task(random: Random, place: int) -> Task:
    """One task as it should be, after those before it."""
    before = [f"t{other}" for other in range(place)]
    task: Task = {"ref": f"t{place}", "runtime_s": random.choice((0, 1, 2.5, 60))}
    if before:
        task["prerequisites"] = random.sample(before, min(place, random.randrange(3)))
    more: Task = {
        "name": random.choice(("build", CANARY + "\x1b[31m", "ünïcode")),
        "run_after": before[:1],
        "agent_type": random.choice(("a", "b")),
        "base_priority": random.randint(0, 10),
        "payload": {"a": [1, None, CANARY]},
        "max_attempts": random.randint(1, 3),
        "timeout": random.choice((5, 600.0)),
        "deadline": "2030-01-31T12:00:00Z",
        "estimated_duration": random.choice((0.5, 60)),
        "limit_key": "api",
    }
    for name in random.sample(sorted(more), random.randrange(4)):
        task[name] = more[name]
    if random.random() < 0.03:
        task["run"] = random.choice(("true", ["true"], "sh -c 'a | b'", "a | b", "'", "", ["\0"]))
        task.pop("runtime_s")
    return task


def _spoil(random: Random, tasks: list[Task]) -> None:
    """One value, one name or one reference that is wrong."""
    task = random.choice(tasks)
    key = random.choice(sorted(task)) if task else word(random)
    match random.randrange(8):
        case 0:
            task.pop(key, None)
        case 1:
            task[word(random)] = anything(random)
        case 2:
            task[key] = large(random)
        case 3:
            task["prerequisites"] = [random.choice(tasks).get("ref", "")]
        case 4:
            tasks.append(dict(task))
        case 5:
            task["runtime_s"] = random.choice((-1, 1e308, "1", True, 10**400))
        case _:
            task[key] = anything(random)


def _lines(random: Random, tasks: list[Task]) -> str:
    lines = [json.dumps(task, ensure_ascii=random.random() < 0.5) for task in tasks]
    if random.random() < 0.1:
        lines.insert(random.randrange(len(lines) + 1), random.choice(("", "[]", "null", "{", "#")))
    if random.random() < 0.05:
        lines[0] = lines[0][:-1] + f', "{CANARY}": 1, "{CANARY}": 2' + "}"
    return "\n".join(lines)


def _toml(random: Random, tasks: list[Task]) -> str:
    """Tables of it, values as JSON where both agree; what TOML lacks raises."""
    text = 'name = "fuzz"\n'
    for task in tasks:
        text += "[[task]]\n" if random.random() < 0.99 else f"[[{CANARY}]]\n"
        for key, value in task.items():
            text += f"{json.dumps(key)} = {_toml_value(value)}\n"
    return text


def _toml_value(value: Any) -> str:
    match value:
        case None:
            raise ValueError
        case dict():
            pairs = (f"{json.dumps(key)} = {_toml_value(inner)}" for key, inner in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list():
            return "[" + ", ".join(map(_toml_value, value)) + "]"
        case _:
            return json.dumps(value)


def _harmed(random: Random, text: bytes) -> bytes:
    match random.randrange(16):
        case 0 if text:
            changed = bytearray(text)
            for _ in range(random.choice((1, 2, 8))):
                changed[random.randrange(len(text))] ^= 1 << random.randrange(8)
            return bytes(changed)
        case 1:
            return text[: random.randrange(len(text) + 1)]
        case 2:
            lines = text.split(b"\n")
            random.shuffle(lines)
            return b"\n".join(lines)
        case 3:
            return random.choice((b"", b"\xff\xfe" + text, b"\xef\xbb\xbf" + text, b"\x00" * 9))
        case _:
            return text
