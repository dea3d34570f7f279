"""What an agent should do about an error: the next tool call, by name.

The library's own hints speak of methods and objects; here they are said in terms of tools.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from scheduler.domain.errors import SchedulerError, StoreError, StoreUnavailable
from scheduler.endpoint.toolkit.fields import ID_ALLOWED

ID = re.compile(r"\b[0-7][0-9a-hjkmnp-tv-z]{12}\b")


class Case(msgspec.Struct, frozen=True):
    """An error, the tool that met it, the ids nearest to an unknown one, what is offered."""

    error: SchedulerError
    tool: str
    near: Sequence[str] = ()
    everything: bool = False  # the full profile

    def named(self, tool: str) -> str:
        """A tool that may not be offered here."""
        return tool if self.everything else f"{tool} (offered with --tools all)"

    @property
    def task(self) -> str:
        """The task that the error speaks of, as an argument."""
        known = ID.search(f"{self.error.received} {self.error.allowed}")
        return f"task_id={known[0]}" if known else "its task_id"


def _look_up(case: Case) -> str:
    if not case.near:
        return "Call task_list to look it up"
    ids = ", ".join(case.near)
    return f"Nearest: {ids}. Call {case.tool} with the one you mean, or task_list to look it up"


def _unknown_task(case: Case) -> str:
    if (case.error.field or "").endswith("parent_id"):
        return f"{_look_up(case)}, or leave parent_id out."
    return f"{_look_up(case)}. Finished tasks are forgotten after a month or so."


def _unknown_prerequisite(case: Case) -> str:
    return f"{_look_up(case)}, or task_enqueue the prerequisite first and pass its task_id."


def _prerequisite_failed(case: Case) -> str:
    return (
        f"Call task_get with {case.task} to see why it ended; then {case.named('task_retry')} it, "
        "or name it in run_after if any end will do."
    )


def _cycle(case: Case) -> str:
    return f"Take one step of path out of prerequisites or run_after, then call {case.tool} again."


def _key_conflict(case: Case) -> str:
    return (
        f"Call task_get with {case.task} to see the task that has the key; for another task "
        f"call {case.tool} with another key."
    )


def _illegal(case: Case) -> str:
    if case.tool == "task_retry":
        return f"Only failed and cancelled tasks need it. Call task_explain with {case.task}."
    if case.tool in ENDINGS:
        return _finished(case)
    return f"Call task_get with {case.task} to see how it stands before you try again."


def _finished(case: Case) -> str:
    if case.tool in ENDINGS:
        return "Stop working on it and drop the work; call task_claim for the next task."
    return (
        f"Call task_get with {case.task} to see how it ended; "
        f"{case.named('task_retry')} re-opens a failed or cancelled task."
    )


def _lease_lost(case: Case) -> str:
    return "Stop working on it and drop the work; call task_claim to claim anew."


def _overloaded(case: Case) -> str:
    if case.tool in ("task_enqueue", "task_enqueue_many"):
        return f"Call {case.tool} again after retry_after_s, with the same key."
    return f"Call {case.tool} again after retry_after_s."


def _too_old(case: Case) -> str:
    return (
        "Call task_queue_status for the newest sequence and task_list for the tasks as they are, "
        "then task_wait with that sequence as since."
    )


def _closed(case: Case) -> str:
    return f"The server is closing. Connect again, then call {case.tool} again."


def _misplaced(case: Case) -> str:
    return "The program of the server is at fault, and no call mends that: tell whoever runs it."


def _unavailable(case: Case) -> str:
    error = case.error
    if isinstance(error, StoreUnavailable) and error.outcome == "unknown":
        return (
            "The change may have been made. Call task_list or task_get to look, or "
            f"{case.tool} again with the same key or lease_token: that does nothing twice."
        )
    if not error.retryable:
        return f"Nothing was changed. {_own(case)} Then call {case.tool} again."
    return f"Nothing was changed. Call {case.tool} again after retry_after_s. {_own(case)}".strip()


def _own(case: Case) -> str:
    return case.error.hint or ""


def _argument(case: Case) -> str:
    error = case.error
    if error.field == "since":
        return (
            "Call task_queue_status and pass its sequence as since, or leave since out "
            "to wait from now on."
        )
    if error.field == "wait_seconds":
        return f"Wait up to 50 s, then call {case.tool} again: nothing is missed in between."
    if error.allowed == ID_ALLOWED and error.received is not None:
        return f"{_look_up(case)}."
    own = REPHRASED.get(_own(case), _own(case)) or "Do as allowed says."
    return f"{own} Then call {case.tool} again."


ENDINGS = "task_heartbeat", "task_complete", "task_fail", "task_release"

REPHRASED = {
    "Convert it first, for example dates with .isoformat().": (
        "Send valid Unicode, finite numbers and texts as keys."
    ),
    "Pick one of these, or open the scheduler with its own sources.": "Pick one of these.",
    "Enqueue it in several batches, prerequisites first.": (
        "Split it into several calls, prerequisites first."
    ),
    "Name a field.": "Name a field that is to change.",
}

BY_CODE: dict[str, Callable[[Case], str]] = {
    "invalid_request": _argument,
    "invalid_task": _argument,
    "too_large": _argument,
    "unknown_task": _unknown_task,
    "unknown_prerequisite": _unknown_prerequisite,
    "prerequisite_failed": _prerequisite_failed,
    "dependency_cycle": _cycle,
    "key_conflict": _key_conflict,
    "illegal_transition": _illegal,
    "already_finished": _finished,
    "lease_lost": _lease_lost,
    "overloaded": _overloaded,
    "sequence_too_old": _too_old,
    "scheduler_closed": _closed,
    "wrong_context": _misplaced,
    "store_unavailable": _unavailable,
}


def hint(case: Case) -> str:
    """The next call."""
    if case.error.code in BY_CODE:
        return BY_CODE[case.error.code](case)
    if isinstance(case.error, StoreError):
        return f"{_own(case)} Then call {case.tool} again.".strip()
    return _own(case)
