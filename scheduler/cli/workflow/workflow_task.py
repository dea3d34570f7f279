"""One task of a workflow file: its fields, proved one by one.

Each task has a `ref`, unique in the file, and either `run` (a command line) or `runtime_s` (how
long the task took once, to be replayed as a sleep). The other fields are those of `TaskSpec`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from scheduler.cli.workflow.workflow_file import Entry, unknown_name, wrong
from scheduler.domain.encoding import name as check_name
from scheduler.domain.encoding import number_in, text
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.request import PREREQUISITES, TEN_YEARS, checked
from scheduler.domain.spec import TaskSpec

REF_LENGTH = 150
REFERENCES = ("prerequisites", "run_after")
TIMES = ("deadline", "not_before")
MADE_BY_RUN = {"key", "group", "parent_id"}  # fields of TaskSpec that a file must not set
FROM_SPEC = tuple(
    field
    for field in TaskSpec.__struct_fields__
    if field not in MADE_BY_RUN and field not in REFERENCES
)
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.S)
_FOR_A_SHELL = re.compile(r"\|\|?|&&?|.*;|\d*>.*|&>.*|<.*")
FIELDS = ("ref", "name", "run", "runtime_s", *REFERENCES, *FROM_SPEC)


class WorkflowTask(msgspec.Struct, frozen=True):
    """One task of a file, checked.

    `command` or `runtime_s` (seconds) says what it does. `fields` are for its TaskSpec, `given`
    is what the file says word for word.
    """

    ref: str
    place: str
    command: tuple[str, ...] | None
    runtime_s: float | None
    prerequisites: tuple[str, ...]
    run_after: tuple[str, ...]
    fields: Mapping[str, Any]
    given: Mapping[str, Any]

    @property
    def waits_for(self) -> tuple[str, ...]:
        """All refs that must end before this task starts."""
        return tuple(dict.fromkeys(self.prerequisites + self.run_after))

    @property
    def estimated(self) -> bool:
        """Whether the file tells how long it takes."""
        return self.runtime_s is not None or "estimated_duration" in self.fields


class At:
    """Turns an InvalidRequest of the domain into one that names the place in the file."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, InvalidRequest):
            raise wrong(
                self._place,
                error.message,
                field=error.field,
                received=error.received,
                allowed=error.allowed,
                hint=error.hint,
            ) from None


def task_from(entry: Entry) -> WorkflowTask:
    given = entry.fields
    for field in given:
        if field not in FIELDS:
            raise unknown_name(entry.place, "field", field, FIELDS)
    with At(entry.place):
        ref = _ref(given)
        command = _command(given["run"]) if "run" in given else None
        runtime = _runtime(given["runtime_s"]) if "runtime_s" in given else None
        if (command is None) == (runtime is None):
            raise InvalidRequest(
                "a task has neither run nor runtime_s"
                if command is None
                else "a task has both run and runtime_s",
                field="run",
                allowed='run = "a command line", or runtime_s = seconds to replay as a sleep',
            )
        fields = {field: _value(field, given[field]) for field in FROM_SPEC if field in given}
        fields.setdefault("description", _description(given, ref, command))
        checked(TaskSpec(**fields))
        return WorkflowTask(
            ref=ref,
            place=entry.place,
            command=command,
            runtime_s=runtime,
            prerequisites=_references("prerequisites", given),
            run_after=_references("run_after", given),
            fields=fields,
            given=given,
        )


def _ref(given: Mapping[str, Any]) -> str:
    if "ref" not in given:
        raise InvalidRequest(
            "a task has no ref", field="ref", allowed="a name that is unique in the file"
        )
    ref = given["ref"]
    check_name("ref", ref)
    if len(ref) > REF_LENGTH:
        raise InvalidRequest(
            f"ref has {len(ref)} characters",
            field="ref",
            received=ref[:80],
            allowed=f"up to {REF_LENGTH}",
        )
    return str(ref)


def _command(run: object) -> tuple[str, ...]:
    """The words of a command: a list as it is, a string split as a shell would, without one."""
    allowed = 'a string such as "make test", or a list of strings'
    words = run
    if isinstance(run, str):
        try:
            words = shlex.split(run)
        except ValueError as error:
            raise InvalidRequest(
                f"run cannot be split into words: {error}", field="run", received=run[:80]
            ) from None
        _check_for_shell(run)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InvalidRequest(
            "run is no command", field="run", received=repr(run)[:80], allowed=allowed
        )
    if not words or not words[0] or any("\0" in word for word in words):
        raise InvalidRequest(
            "run is empty or holds a NUL", field="run", received=repr(run)[:80], allowed=allowed
        )
    return tuple(words)


def _check_for_shell(run: str) -> None:
    """Refuse what only a shell would heed, and a program would take for its arguments."""
    bare = _QUOTED.sub("q", run)  # whoever quotes it means the character
    word = next(filter(_FOR_A_SHELL.fullmatch, bare.split()), None)
    if word is not None:
        raise InvalidRequest(
            f"run holds {word}, and there is no shell here to heed it",
            field="run",
            received=run[:80],
            allowed="one command with its arguments; quoted, or in a list, a word is left as it is",
            hint=f"Write {shlex.join(['sh', '-c', run])}"[:300],
        )


def _runtime(value: Any) -> float:
    number_in("runtime_s", value, 0, TEN_YEARS)
    return float(value)


def _value(field: str, value: Any) -> Any:
    """The value for a TaskSpec; TOML has times of its own, in JSON they are text."""
    if field not in TIMES or not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise InvalidRequest(
            f"{field} is not a time",
            field=field,
            received=value[:80],
            allowed="ISO 8601 with a time zone, such as 2030-01-31T12:00:00Z",
        ) from None


def _description(given: Mapping[str, Any], ref: str, command: tuple[str, ...] | None) -> str:
    if "name" in given:
        text("name", given["name"], 1_000)
        return str(given["name"])
    return f"{ref}: {shlex.join(command)}"[:1_000] if command else ref


def _references(field: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    refs = given.get(field, [])
    if not isinstance(refs, list) or not all(isinstance(ref, str) for ref in refs):
        raise InvalidRequest(
            f"{field} is not a list of refs",
            field=field,
            received=repr(refs)[:80],
            allowed='["ref of another task", …]',
        )
    if len(refs) > PREREQUISITES:
        raise InvalidRequest(
            f"{len(refs):,} refs in {field}",
            field=field,
            received=len(refs),
            allowed=f"up to {PREREQUISITES:,}",
            hint="Put a task in between that waits for a part of them.",
        )
    return tuple(dict.fromkeys(refs))
