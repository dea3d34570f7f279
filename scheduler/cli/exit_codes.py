"""What the exit code of `headrace` says. Scripts may rely on it."""

from __future__ import annotations

from scheduler.domain import errors

OK = 0
NEGATIVE = 1
INVALID = 2
UNKNOWN = 3
CONFLICT = 4
STORE = 5
NO_OUTPUT = 74  # EX_IOERR of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT
BROKEN_PIPE = 141  # 128 + SIGPIPE: whoever read the output has gone

MEANINGS = {
    OK: "done",
    NEGATIVE: "tasks failed, or the answer is no",
    INVALID: "a usage error or an invalid request",
    UNKNOWN: "no such task",
    CONFLICT: "the state of the task, or of its prerequisites, does not allow it",
    STORE: "the database cannot be used now, or is overloaded",
    NO_OUTPUT: "the output cannot be written: no space is left",
    INTERRUPTED: "interrupted by Ctrl-C (other signals: 128 + their number)",
    BROKEN_PIPE: "whoever read the output has gone",
}


def exit_code(error: errors.SchedulerError) -> int:
    """The exit code for an error."""
    match error:
        case errors.InvalidRequest() | errors.DependencyCycle():
            return INVALID
        case errors.UnknownTask() | errors.UnknownPrerequisite():
            return UNKNOWN
        case (
            errors.AlreadyFinished()
            | errors.IllegalTransition()
            | errors.KeyConflict()
            | errors.LeaseLost()
            | errors.PrerequisiteFailed()
            | errors.SequenceTooOld()
        ):
            return CONFLICT
        case _:
            return STORE
