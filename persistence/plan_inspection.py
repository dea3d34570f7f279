"""What `headrace doctor --query-plans` looks at: how this file's statements would be carried out.

Reads the schema of the file and nothing of its contents, and changes nothing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import msgspec

from persistence import statements as sql
from persistence.failures import Translating
from persistence.inspection import connect_to_read
from persistence.invariants import Finding
from persistence.opening import schema_version
from persistence.query_plans import (
    Index,
    QueryPlan,
    explain,
    has_statistics,
    indexes,
    wanted_indexes,
)
from scheduler.domain.errors import StoreError


class PlanReport(msgspec.Struct, frozen=True):
    """Every statement's plan, every index with who reads it, and what is wrong with them."""

    plans: list[QueryPlan]
    indexes: list[Index]
    findings: list[Finding]


def inspect_plans(path: str) -> PlanReport:
    """The plans on a file, which must exist. One that cannot be read is a finding."""
    path = os.path.realpath(path)
    try:
        with closing(connect_to_read(path)) as connection, Translating(path):
            return _report(connection, path)
    except StoreError as error:
        return PlanReport([], [], [Finding("problem", error.message, error.hint or "")])


def _report(connection: sqlite3.Connection, path: str) -> PlanReport:
    version = schema_version(connection, path)
    if version < sql.SCHEMA_VERSION:
        what = f"its schema {version} is an old one" if version else "it is empty"
        advice = "The next scheduler that opens it will bring it up to date; look again then."
        return PlanReport([], [], [Finding("warning", what, advice)])
    plans = explain(connection)
    there = indexes(connection, plans)
    findings = [
        *_of_indexes({index.name: index.text for index in there}, wanted_indexes(), path),
        _of_statistics(has_statistics(connection), path),
        *_of_plans(plans),
    ]
    return PlanReport(plans, there, findings)


def _of_indexes(there: dict[str, str], wanted: dict[str, str], path: str) -> Iterator[Finding]:
    """What is not as a new file has it, with the line that mends it."""
    for name, text in wanted.items():
        if name not in there:
            yield Finding("problem", f"the index {name} is missing", _mend(path, text))
        elif there[name] != text:
            mend = _mend(path, f"DROP INDEX {name}; {text}")
            yield Finding("problem", f"the index {name} is another one", mend)
    for name in there.keys() - wanted.keys():
        what = f"the index {name} is not headrace's, and every write pays for it"
        yield Finding("warning", what, _mend(path, f'DROP INDEX "{name}"'))
    if there == wanted:
        yield Finding("ok", f"it has the {len(wanted)} indexes of a new file, and no others")


def _mend(path: str, statements: str) -> str:
    return f"Stop what uses {path}, copy it, then run on it with sqlite3: {statements};"


def _of_statistics(there: bool, path: str) -> Finding:
    if not there:
        return Finding("ok", "it has no statistics of ANALYZE that could change a plan")
    what = "somebody ran ANALYZE on it: plans follow what it held at that time"
    return Finding("warning", what, _mend(path, "DROP TABLE sqlite_stat1"))


def _of_plans(plans: list[QueryPlan]) -> Iterator[Finding]:
    """The statements that cost more the more tasks there are."""
    for plan in plans:
        if plan.verdict == "problem":
            what = f"{plan.statement.name} ({plan.statement.used_by}): {'; '.join(plan.faults)}"
            advice = (
                "Mend what stands above, if anything does; else report it as a bug of headrace."
            )
            yield Finding("problem", what, advice)
    verdicts = [plan.verdict for plan in plans]
    if "problem" not in verdicts:
        intended = verdicts.count("intended")
        what = f"{len(plans) - intended} statements neither scan nor sort, {intended} do on purpose"
        yield Finding("ok", what)
