"""Plans a workflow file without a database: the plan's ids are the file's refs."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from scheduler.cli.workflow.workflow import Workflow
from scheduler.cli.workflow.workflow_task import WorkflowTask
from scheduler.domain import ids
from scheduler.domain.durations import DEFAULT
from scheduler.domain.graph import Graph
from scheduler.domain.plan import execution_plan
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import Task
from scheduler.domain.views import Plan


def plan_workflow(workflow: Workflow, workers: int | None, now: float) -> Plan:
    """How the workflow can run, at recorded or estimated durations; `now` in Unix seconds."""
    numbers = {ref: number for number, ref in enumerate(workflow.tasks, 1)}
    refs = {ids.encode(number): ref for ref, number in numbers.items()}
    graph = Graph(source_scores=SOURCE_SCORES)
    graph.admit([_task(task, numbers, now) for task in workflow.tasks.values()])
    plan = execution_plan(graph, workers=workers, now=now)
    return replace(
        plan,
        batches=tuple(tuple(refs[task] for task in batch) for batch in plan.batches),
        critical_path=tuple(refs[task] for task in plan.critical_path),
    )


def _task(task: WorkflowTask, numbers: Mapping[str, int], now: float) -> Task:
    request = checked(TaskSpec(**task.fields))
    estimate = task.runtime_s if request.estimated_duration is None else request.estimated_duration
    return Task(
        number=numbers[task.ref],
        description=request.description,
        summary=request.summary,
        source=request.source,
        agent_type=request.agent_type,
        base_priority=request.base_priority,
        deadline_s=request.deadline_s,
        estimated_duration=DEFAULT if estimate is None else estimate,
        payload_json=None,
        key=None,
        request_hash=None,
        group=None,
        parent=None,
        max_attempts=request.max_attempts,
        timeout=request.timeout,
        limit_key=request.limit_key,
        traceparent=None,
        created_s=now,
        requires=tuple(numbers[ref] for ref in task.prerequisites),
        follows=tuple(numbers[ref] for ref in task.run_after),
    )
