"""Every error that headrace raises on purpose.

    SchedulerError
     |- InvalidRequest          an argument is wrong
     |   |- InvalidTask         a field of a task is wrong
     |   '- TooLarge            a size is over its limit
     |- UnknownTask             no task has this id
     |- UnknownPrerequisite     a prerequisite has no task
     |- PrerequisiteFailed      a prerequisite has already failed or was cancelled
     |- DependencyCycle         the prerequisites go round in a circle (with the path)
     |- KeyConflict             the key belongs to a different request
     |- IllegalTransition       the task's status does not allow this
     |- AlreadyFinished         the task has ended
     |- LeaseLost               the caller no longer holds the task
     |- Overloaded              too much is waiting; try again after `retry_after` seconds
     |- SequenceTooOld          the change feed no longer reaches back so far
     |- SchedulerClosed         the scheduler has been closed
     |- WrongContext            the handle belongs to another loop, thread or process
     '- StoreError              the file
         |- StoreUnavailable    it cannot be read or written now (with the outcome)
         |- StoreLocked         another process owns it (with its pid)
         |- StoreCorrupt        it is damaged, or no headrace database
         '- StoreNewer          a newer headrace wrote it

A `code` never changes once published: programs branch on it. Text that came from a caller
stands in `received` alone, never in the message, because a message may be read by an agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar


class SchedulerError(Exception):
    """Base of all errors; never raised itself.

    `field` names the argument at fault, `received` is what it held, `allowed` what it may
    hold, `hint` says how to mend the call. `retryable`: the same call may succeed later, without
    anybody's doing.
    """

    code: ClassVar[str] = "scheduler_error"
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        received: Any = None,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.received = received
        self.allowed = allowed
        self.hint = hint
        if hint is not None:
            self.add_note(hint)  # so that a traceback shows it too

    def as_dict(self) -> dict[str, Any]:
        """The error as JSON-ready facts; absent ones are left out."""
        facts = {
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "received": self.received,
            "allowed": self.allowed,
            "hint": self.hint,
        }
        return {name: fact for name, fact in facts.items() if fact is not None}


class InvalidRequest(SchedulerError):
    """An argument of a call is wrong."""

    code = "invalid_request"


class InvalidTask(InvalidRequest):
    """A field of a task is missing, of the wrong type, or out of range."""

    code = "invalid_task"


class TooLarge(InvalidRequest):
    """A text, a payload, a batch or a page is over its limit."""

    code = "too_large"


class UnknownTask(SchedulerError):
    """No task has this id."""

    code = "unknown_task"


class UnknownPrerequisite(SchedulerError):
    """A prerequisite names no task."""

    code = "unknown_prerequisite"


class PrerequisiteFailed(SchedulerError):
    """A prerequisite that must succeed has already failed or was cancelled."""

    code = "prerequisite_failed"


class DependencyCycle(SchedulerError):
    """Tasks wait for each other in a circle. `path` lists them; the last waits for the first."""

    code = "dependency_cycle"

    def __init__(self, message: str, *, path: list[str], **facts: Any) -> None:
        super().__init__(message, **facts)
        self.path = path

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"path": self.path}


class KeyConflict(SchedulerError):
    """The idempotency key already belongs to a task made from a different request."""

    code = "key_conflict"


class IllegalTransition(SchedulerError):
    """The task's status does not allow the move that was asked for."""

    code = "illegal_transition"


class AlreadyFinished(SchedulerError):
    """The task has already completed, failed or been cancelled."""

    code = "already_finished"


class LeaseLost(SchedulerError):
    """The lease has expired, was revoked, or belongs to somebody else."""

    code = "lease_lost"


class Overloaded(SchedulerError):
    """Too much is waiting to be saved, or too many tasks are unfinished."""

    code = "overloaded"
    retryable = True

    def __init__(self, message: str, *, retry_after: float = 1.0, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"retry_after_s": self.retry_after}


class SequenceTooOld(SchedulerError):
    """Changes after this sequence were pruned; read the tasks anew and go on from now."""

    code = "sequence_too_old"


class SchedulerClosed(SchedulerError):
    """The scheduler is closing or closed."""

    code = "scheduler_closed"


class WrongContext(SchedulerError):
    """The handle is used in another loop, thread or process than the one that it is for."""

    code = "wrong_context"


class StoreError(SchedulerError):
    """Something is wrong with the database file."""

    code = "store_error"


class StoreUnavailable(StoreError):
    """The file cannot be read or written now.

    `outcome` is "refused" when nothing was done, "unknown" when the change may or may not
    reach the disk: repeat it with the same key, or look the task up. What does not pass by itself,
    such as a folder that is not there, is not `retryable`.
    """

    code = "store_unavailable"
    retryable = True

    def __init__(
        self, message: str, *, outcome: str = "refused", retryable: bool = True, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.outcome = outcome
        self.retryable = retryable

    def as_dict(self) -> dict[str, Any]:
        lasting = {} if self.retryable else {"retryable": False}
        return super().as_dict() | {"outcome": self.outcome} | lasting


class StoreLocked(StoreError):
    """Another process owns the file; `pid` is its process id where it is known."""

    code = "store_locked"
    retryable = True

    def __init__(self, message: str, *, pid: int | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.pid = pid

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"pid": self.pid}


class StoreCorrupt(StoreError):
    """The file is damaged, or is no headrace database."""

    code = "store_corrupt"


class StoreNewer(StoreError):
    """The file was written by a newer headrace."""

    code = "store_newer"


def from_dict(facts: Mapping[str, Any]) -> SchedulerError:
    """The error that `as_dict` told of.

    >>> from_dict(Overloaded("full", retry_after=2.0, hint="Wait.").as_dict()).retry_after
    2.0
    """
    given = dict(facts)
    kind = _KINDS.get(given.pop("code", ""), SchedulerError)
    message = given.pop("message", "")
    if "retry_after_s" in given:
        given["retry_after"] = given.pop("retry_after_s")
    return kind(message, **given)


def _all_kinds(base: type[SchedulerError]) -> Iterator[type[SchedulerError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _all_kinds(kind)


_KINDS = {kind.code: kind for kind in _all_kinds(SchedulerError)}
