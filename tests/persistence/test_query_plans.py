"""How SQLite carries out each statement: by look-ups, never by reading a whole table."""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, combinations, product
from pathlib import Path

import pytest

import persistence
from persistence import listing, query_plans
from persistence import statements as sql
from persistence.plan_inspection import inspect_plans
from persistence.query_plans import QueryPlan, explain, faults, steps_of
from persistence.sqlite import SQLiteStore, open_sqlite
from persistence.store import Filter
from scheduler.domain.task import Status, Task
from tests.support.journal import Journal, make_task

FOLDER = Path(persistence.__file__).parent
ELSEWHERE = {"statements.py", "migrations.py", "plan_inspection.py"}  # the last one advises some
FULL = 10_000  # tasks


@pytest.fixture(scope="module", params=["empty", "full"])
def connection(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sqlite3.Connection]:
    """A file as the store sets it up, without tasks and with ten thousand of all kinds."""
    path = str(tmp_path_factory.mktemp("plans") / "tasks.db")
    with closing(open_sqlite(path, durability="accepted")) as store:
        if request.param == "full":
            journal = Journal(store)
            for start in range(0, FULL, 1_000):
                numbers = range(start + 1, start + 1_001)
                journal.insert(*(_task(number) for number in numbers)).commit()
        yield store._connection


def _task(number: int) -> Task:
    status = list(Status)[number % len(Status)]
    waits = (number - 1,) if status is Status.BLOCKED else ()
    return make_task(number, status, requires=waits, group=f"g{number % 50}", key=f"k{number}")


@pytest.fixture(scope="module")
def plans(connection: sqlite3.Connection) -> dict[str, QueryPlan]:
    return {plan.statement.name: plan for plan in explain(connection)}


def test_nobody_has_run_analyze(connection: sqlite3.Connection) -> None:
    """The plans do not hang on statistics: a file has none, nor does anybody make them."""
    assert not query_plans.has_statistics(connection)


def test_hot_statements_neither_scan_nor_sort(plans: dict[str, QueryPlan]) -> None:
    """Every table is reached by its key or an index, in the order that is asked for."""
    hot = [plan for plan in plans.values() if plan.statement.heat == "hot"]
    assert {plan.statement.name: plan.faults for plan in hot if plan.faults} == {}
    assert not any(plan.statement.intended for plan in hot)


def test_rare_statements_scan_only_on_purpose(plans: dict[str, QueryPlan]) -> None:
    """Those that read a whole table say why, and those that say why do so."""
    verdicts = {name: plan.verdict for name, plan in plans.items()}
    assert "problem" not in verdicts.values()
    assert {name for name, verdict in verdicts.items() if verdict == "intended"} == {
        plan.statement.name for plan in plans.values() if plan.statement.intended
    }


def test_every_page_is_cut_from_a_window_that_is_explained(
    connection: sqlite3.Connection, plans: dict[str, QueryPlan]
) -> None:
    """For each combination of filters that the handle, the tools and the command line let pass."""
    subsets = chain.from_iterable(combinations(Status, n) for n in range(1, len(Status) + 1))
    seen = set()
    for statuses, source, agent_type, group in product(
        [None, *map(frozenset, subsets)], [None, "human"], [None, "builder"], [None, "g7"]
    ):
        where = Filter(statuses, source, agent_type, group)
        names = listing.windows(where)
        seen |= set(names)
        assert [n for n in names if plans[f"PAGES.{n}"].faults or plans[f"LASTS.{n}"].faults] == []
        listing.listed(
            lambda text, values: connection.execute(text, values).fetchall(), where, 9, 5
        )
    assert seen == set(sql.PAGES) == set(sql.LASTS) == set(sql.SIZES)


def test_every_index_is_needed(connection: sqlite3.Connection, plans: dict[str, QueryPlan]) -> None:
    """By a statement whose plan names it; each of them costs every write."""
    used = {
        found.name: found.used_by for found in query_plans.indexes(connection, [*plans.values()])
    }
    assert [name for name, statements in used.items() if not statements] == []
    assert {"tasks_status", "tasks_group", "tasks_key", "tasks_sequence"} <= used.keys()


def test_every_statement_is_called_hot_or_rare() -> None:
    """And nothing else is."""
    families = {name.partition(".")[0] for name in query_plans.texts()}
    assert query_plans._HOT.keys() | query_plans._RARE.keys() == families
    assert not query_plans._HOT.keys() & query_plans._RARE.keys()
    assert query_plans._INTENDED.keys() <= query_plans._RARE.keys()


@pytest.mark.parametrize("path", sorted(set(FOLDER.glob("*.py"))), ids=lambda path: path.name)
def test_no_sql_stands_elsewhere(path: Path) -> None:
    """What is run comes from `statements`, where the plans of all are looked at."""
    words = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|VALUES)\s")
    texts = {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    found = {text for text in texts if words.match(text)}
    assert bool(found) == (path.name in ELSEWHERE)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM tasks WHERE holder = ?",
        "SELECT count(*) FROM tasks",
        "SELECT id FROM tasks WHERE status IN ('ready', 'failed') ORDER BY id DESC",
        "SELECT e.task FROM edges AS e WHERE e.must_succeed = ?",
        "SELECT id FROM tasks WHERE id > ? ORDER BY priority",
        "SELECT a.count FROM lanes AS a JOIN lanes AS b ON b.paused = a.paused",
    ],
)
def test_a_slow_statement_is_recognized(connection: sqlite3.Connection, text: str) -> None:
    """The tests above can fail."""
    tables = {name for _, name, _, _ in connection.execute(sql.OBJECTS)}
    assert list(faults(text, steps_of(connection, text), tables)) != []


class TestTheDoctor:
    def test_a_file_as_it_should_be(self, sqlite: SQLiteStore, tmp_path: Path) -> None:
        """Is shown in full, beside its owner and at rest, and not a byte of it changes."""
        path = sqlite.location
        reports = [inspect_plans(path)]
        sqlite.close()
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        reports.append(inspect_plans(path))
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
        for report in reports:
            assert {finding.severity for finding in report.findings} == {"ok"}
            assert {plan.statement.name for plan in report.plans} == query_plans.texts().keys()

    @pytest.mark.parametrize(
        ("spoil", "problem", "broken"),
        [
            ("DROP INDEX tasks_status", "the index tasks_status is missing", "PAGES.statuses 1"),
            (
                "DROP INDEX tasks_sequence; CREATE INDEX tasks_sequence ON tasks (holder)",
                "the index tasks_sequence is another one",
                "CHANGES",
            ),
            ("CREATE INDEX mine ON tasks (priority)", "the index mine is not headrace's", None),
            ("ANALYZE", "somebody ran ANALYZE", None),
        ],
    )
    def test_a_file_that_somebody_changed(
        self, sqlite: SQLiteStore, spoil: str, problem: str, broken: str | None
    ) -> None:
        """Is told of with what breaks by it, and the advice mends it."""
        Journal(sqlite).insert(make_task(1)).commit()
        sqlite.close()
        with closing(sqlite3.connect(sqlite.location)) as other:
            other.executescript(spoil)
        report = inspect_plans(sqlite.location)
        (found,) = [finding for finding in report.findings if problem in finding.what]
        bad = {plan.statement.name for plan in report.plans if plan.verdict == "problem"}
        assert broken is None or broken in bad
        with closing(sqlite3.connect(sqlite.location)) as other:
            other.executescript(found.advice.partition("sqlite3: ")[2])
        report = inspect_plans(sqlite.location)
        assert {finding.severity for finding in report.findings} == {"ok"}

    def test_a_file_that_cannot_be_looked_at(self, path: str) -> None:
        """An empty one has no plans yet, and one of another program none at all."""
        Path(path).touch()
        assert [finding.what for finding in inspect_plans(path).findings] == ["it is empty"]
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE recipes (id INTEGER PRIMARY KEY)")
        (found,) = inspect_plans(path).findings
        assert (found.severity, inspect_plans(path).plans) == ("problem", [])
