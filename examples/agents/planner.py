"""The planner: puts thirty tasks into the queue with one call, and asks in which order they can go.

It does no task and assigns none: each says which type of agent can do it, and what it waits for.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from session import Session

GROUP = "release-2.0"
WORKERS = 3

AREAS = [  # what release 2.0 of a notes app brings: name, question, priority, seconds to build
    ("sync", "How do two devices merge edits that were made offline?", 8, 0.48),
    ("search", "Which index finds a word in 10,000 notes within 50 ms?", 6, 0.40),
    ("export", "Which Markdown dialect do other apps read?", 5, 0.24),
    ("sharing", "Who may see a note that was shared and then moved?", 5, 0.32),
    ("editor", "Which keys do users expect for headings and lists?", 5, 0.40),
    ("images", "How large may an image be before a phone stutters?", 4, 0.28),
    ("themes", "Which contrast do the accessibility rules ask for?", 2, 0.20),
    ("login", "How does a user get in after losing the second factor?", 7, 0.36),
]

Task = dict[str, Any]


def release(pace: float) -> list[Task]:
    """The tasks as `task_enqueue_many` takes them. Durations are multiplied by `pace`."""
    studies = [f"study-{area}" for area, *_ in AREAS]
    tests = [f"test-{area}" for area, *_ in AREAS]
    deadline = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    tasks = [
        task("goals", "researcher", "Ask five users what 2.0 must do; list the goals.", 0.40),
        task("skeleton", "builder", "Set up the branch and an empty package that builds.", 0.32),
        *(one for area in AREAS for one in feature(*area)),
        task("notes", "researcher", "Write the release notes.", 0.32, prerequisites=studies),
        task("package", "builder", "Package what passed its tests.", 0.32, prerequisites=tests),
        task("regression", "tester", "Run all tests again.", 0.48, prerequisites=["package"]),
        task(
            "announce",
            "researcher",
            "Tell the users, with the release notes if there are any.",
            0.20,
            prerequisites=["regression"],  # must succeed
            run_after=["notes"],  # must only end, however
            deadline=deadline,  # all that this task waits for becomes as urgent
        ),
    ]
    for one in tasks:
        one["estimated_duration"] = round(one["estimated_duration"] * pace, 3)
    return tasks


def feature(area: str, question: str, priority: int, seconds: float) -> list[Task]:
    """Study, build and test one area, in this order."""
    study, build, test = f"study-{area}", f"build-{area}", f"test-{area}"
    return [
        task(
            study,
            "researcher",
            f"{question} Answer with sources.",
            seconds / 2,
            prerequisites=["goals"],
            base_priority=priority,
        ),
        task(
            build,
            "builder",
            f"Build {area} as {study} proposes.",
            seconds,
            prerequisites=[study, "skeleton"],
            base_priority=priority,
        ),
        task(
            test,
            "tester",
            f"Test {area}: what {study} asks for, and misuse.",
            seconds / 2,
            prerequisites=[build],
            base_priority=priority,
        ),
    ]


def task(ref: str, agent_type: str, description: str, seconds: float, **more: Any) -> Task:
    """One task. The ref is its name within the call, for the others to refer to."""
    return {
        "ref": ref,
        "key": f"{GROUP}/{ref}",  # the same call again would make no second task
        "group": GROUP,
        "source": "agent_planner",
        "agent_type": agent_type,
        "description": description,
        "estimated_duration": seconds,
        "payload": {"ref": ref},  # for the worker: any JSON
        **more,
    }


@dataclass(frozen=True)
class Plan:
    """What was asked for, and how the queue saw it before the work began. Tasks go by ref."""

    ids: dict[str, str]
    tasks: dict[str, Task]
    batches: list[list[str]]
    critical_path: list[str]
    critical_path_seconds: float
    makespan_seconds: float


async def submit(session: Session, pace: float) -> Plan:
    """Check the graph, enqueue it, and read the plan. Needs a session with `--tools all`."""
    tasks = release(pace)
    checked = await session.call("task_enqueue_many", tasks=tasks, dry_run=True)
    session.tell(f"has a sound graph: {checked['total_tasks']} tasks, no cycle")
    made = await session.call("task_enqueue_many", tasks=tasks)
    session.tell(f"has put {made['total_tasks']} tasks into the queue")
    planned = await session.call("task_execution_plan", group=GROUP, workers=WORKERS)
    refs = {task_id: ref for ref, task_id in made["task_ids"].items()}
    return Plan(
        ids=made["task_ids"],
        tasks={one["ref"]: one for one in tasks},
        batches=[[refs[task_id] for task_id in batch] for batch in planned["batches"]],
        critical_path=[refs[task_id] for task_id in planned["critical_path"]],
        critical_path_seconds=planned["critical_path_seconds"],
        makespan_seconds=planned["makespan_seconds"],
    )


def show(plan: Plan) -> None:
    """Print the plan: what can go side by side, and what decides how long it takes."""
    print(f"\n  The plan of {GROUP}")
    for number, batch in enumerate(plan.batches, 1):
        print(paragraph(f"batch {number}: {', '.join(batch)}"))
    print(paragraph(f"critical path: {' > '.join(plan.critical_path)}"))
    print(
        f"    it takes {plan.critical_path_seconds:.1f} s; "
        f"{WORKERS} workers who can do anything need {plan.makespan_seconds:.1f} s for all\n",
        flush=True,
    )


def paragraph(text: str) -> str:
    """Lines of up to 100 characters."""
    return textwrap.fill(
        text,
        width=100,
        initial_indent=" " * 4,
        subsequent_indent=" " * 13,
        break_on_hyphens=False,
        break_long_words=False,
    )
