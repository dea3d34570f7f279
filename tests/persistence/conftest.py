"""Stores to test: on a real file, in memory, and each in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence.memory import MemoryStore
from persistence.sqlite import SQLiteStore, open_sqlite
from persistence.store import Store
from tests.support.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a database may be made."""
    return str(tmp_path / "tasks.db")


@pytest.fixture
def sqlite(path: str) -> Iterator[SQLiteStore]:
    store = open_sqlite(path, durability="committed")
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest) -> Store:
    """Every kind of store, one after the other."""
    if request.param == "memory":
        return MemoryStore()
    sqlite: SQLiteStore = request.getfixturevalue("sqlite")
    return sqlite


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store)
