"""Changing tasks that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors import commands as ask
from actors.reply import Reply
from scheduler import arguments as check
from scheduler.domain.request import number_of
from scheduler.domain.task import Task
from scheduler.domain.views import Cancellation
from scheduler.handle.door import Asks, TaskOrId


class Changing(Asks):
    """Cancels, re-opens and changes tasks."""

    async def cancel(
        self, task: TaskOrId, reason: str | None = None, *, dry_run: bool = False
    ) -> Cancellation:
        """Cancel a task and every task that cannot start without it; a lease is revoked.

        With `dry_run` only say which would go. Raises UnknownTask, AlreadyFinished.
        """
        if reason is not None:
            check.text("reason", reason, 2_000)
        return await self._door.ask(ask.Cancel(number_of(task), reason, bool(dry_run), Reply()))

    async def retry(self, task: TaskOrId, *, cascade: bool = False) -> list[Task]:
        """Re-open a failed or cancelled task with fresh attempts.

        With `cascade` also the tasks that fell with it. Returns what was re-opened, the task
        itself first. Raises UnknownTask, IllegalTransition, PrerequisiteFailed and, if a task
        that it waits for would wait for it, DependencyCycle.
        """
        return await self._door.ask(ask.Retry(number_of(task), bool(cascade), Reply()))

    async def update(self, /, task: TaskOrId, **fields: Any) -> Task:
        """Change fields of an unfinished task: description, summary, agent_type, base_priority,
        deadline, not_before, estimated_duration, payload, group, max_attempts, timeout, limit_key.

            await scheduler.update(task, base_priority=9, deadline=None)

        A running task keeps its agent_type, limit_key and not_before. Raises UnknownTask,
        AlreadyFinished, IllegalTransition.
        """
        return (await self._door.ask(ask.Update(number_of(task), check.changes(fields), Reply())))[
            0
        ]

    async def add_prerequisites(
        self,
        task: TaskOrId,
        prerequisites: Sequence[TaskOrId] = (),
        *,
        run_after: Sequence[TaskOrId] = (),
    ) -> Task:
        """Let a task that is not running yet wait for more tasks.

        Raises UnknownTask, UnknownPrerequisite, PrerequisiteFailed, DependencyCycle (with the
        path), AlreadyFinished and, for a running task, IllegalTransition.
        """
        requires = check.tasks("prerequisites", prerequisites)
        follows = check.tasks("run_after", run_after)
        command = ask.AddPrerequisites(number_of(task), requires, follows, Reply())
        return (await self._door.ask(command))[0]
