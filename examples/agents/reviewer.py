"""The reviewer: waits for the last task, then compares what happened with what was planned.

Everything it knows of the work comes from `task_get`: the queue keeps who tried what, and when.
"""

from __future__ import annotations

from datetime import datetime

from planner import GROUP, WORKERS, Plan, paragraph
from session import Answer, Session


async def review(session: Session, plan: Plan, unlucky: set[str], interrupted: str) -> bool:
    """Print the plan, the log and the verdict; whether all is as promised.

    `unlucky`: refs that had to fail once; `interrupted`: the one whose first worker was killed.
    """
    await _wait_for(session, plan.ids[plan.batches[-1][0]])
    tasks = {
        ref: await session.call("task_get", task_id=task_id) for ref, task_id in plan.ids.items()
    }
    _show_plan(plan, tasks)
    _show_log(plan, tasks)
    verdict = {
        f"all {len(tasks)} tasks are completed, each exactly once": _once(tasks),
        "no task began before those that it waits for were done": _in_order(tasks),
        "each worker had the results of those tasks": _with_results(tasks),
        f"{len(unlucky)} tasks failed once and were tried again": _failed(tasks) == unlucky,
        f"{interrupted} was taken over from the killed worker": _taken_over(tasks, interrupted),
    }
    print("\n  The check")
    for fact, holds in verdict.items():
        print(f"    {'ok    ' if holds else 'WRONG '} {fact}")
    return all(verdict.values())


async def _wait_for(session: Session, task_id: str) -> None:
    """Each call waits up to 50 s, so that no client loses patience."""
    finished = False
    while not finished:
        answer = await session.call("task_wait", task_ids=[task_id], wait_seconds=50)
        finished = answer["finished"]
    session.tell(f"the last task is {answer['changed'][0]['status']}")


def _show_plan(plan: Plan, tasks: dict[str, Answer]) -> None:
    """The plan as it was, and when each task of it was done."""
    print(f"\n  The plan of {GROUP}, and after how many seconds each task was done")
    begun = _begun(tasks)
    for number, batch in enumerate(plan.batches, 1):
        done = sorted((_since(begun, tasks[ref]["finished_at"]), ref) for ref in batch)
        print(paragraph(f"batch {number}: {', '.join(f'{ref} {when:.1f}' for when, ref in done)}"))
    total = max(_since(begun, task["finished_at"]) for task in tasks.values())
    print(
        f"    {total:.1f} s; planned for {WORKERS} workers who can do anything, and never fail: "
        f"{plan.makespan_seconds:.1f} s"
    )


def _show_log(plan: Plan, tasks: dict[str, Answer]) -> None:
    """Every attempt in the order of their starts; seconds since the first one."""
    begun = _begun(tasks)
    rows = [(_since(begun, one["started_at"]), one, ref) for ref, one in _attempts(tasks)]
    print("\n  What happened")
    print("     from      to   took  planned  who    task           attempt")
    for start, attempt, ref in sorted(rows, key=lambda row: row[0]):
        end = _since(begun, attempt["ended_at"])
        outcome = ": ".join(filter(None, (attempt["outcome"], attempt["error"])))
        print(
            f"    {start:5.2f}   {end:5.2f}  {end - start:5.2f}  "
            f"{plan.tasks[ref]['estimated_duration']:7.2f}  {attempt['holder']:<6} {ref:<14} "
            f"{attempt['attempt']} {outcome}"
        )
    print(f"    {len(rows)} attempts at {len(tasks)} tasks")


def _attempts(tasks: dict[str, Answer]) -> list[tuple[str, Answer]]:
    return [(ref, attempt) for ref, task in tasks.items() for attempt in task["attempts"]]


def _begun(tasks: dict[str, Answer]) -> datetime:
    return min(_time(attempt["started_at"]) for _, attempt in _attempts(tasks))


def _since(begun: datetime, text: str) -> float:
    return (_time(text) - begun).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _outcomes(task: Answer) -> list[str]:
    return [attempt["outcome"] for attempt in task["attempts"]]


def _once(tasks: dict[str, Answer]) -> bool:
    return all(
        task["status"] == "completed" and _outcomes(task).count("completed") == 1
        for task in tasks.values()
    )


def _in_order(tasks: dict[str, Answer]) -> bool:
    by_id = {task["task_id"]: task for task in tasks.values()}
    return all(
        _time(attempt["started_at"]) >= _time(by_id[before["task_id"]]["finished_at"])
        for task in tasks.values()
        for attempt in task["attempts"]
        for before in _waited_for(task)
    )


def _with_results(tasks: dict[str, Answer]) -> bool:
    """Each worker wrote into its result which results it was given."""
    refs = {task["task_id"]: ref for ref, task in tasks.items()}
    return all(
        task["result"]["uses"] == sorted(refs[before["task_id"]] for before in _waited_for(task))
        for task in tasks.values()
    )


def _waited_for(task: Answer) -> list[Answer]:
    return [*task["prerequisites"], *task["run_after"]]


def _failed(tasks: dict[str, Answer]) -> set[str]:
    return {ref for ref, task in tasks.items() if "failed" in _outcomes(task)}


def _taken_over(tasks: dict[str, Answer], ref: str) -> bool:
    """The killed worker's lease expired, and somebody else completed the task."""
    attempts = tasks[ref]["attempts"]
    holders = {attempt["holder"] for attempt in attempts}
    return _outcomes(tasks[ref]) == ["expired", "completed"] and len(holders) == 2
