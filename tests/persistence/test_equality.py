"""Whatever is written, the store on disk and the one in memory tell the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from math import inf
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from persistence.memory import MemoryStore
from persistence.sqlite import open_sqlite
from persistence.store import Duration, Filter, Store
from scheduler.domain.limits import Limit, LimitKind
from scheduler.domain.recurrence import Schedule
from scheduler.domain.request import checked
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import UNFINISHED, Attempt, Status, Task
from tests.support.journal import Journal, facts, make_task

NUMBERS = range(1, 13)
Step = Callable[[Journal], object]

numbers = st.sampled_from(NUMBERS)
statuses = st.sampled_from(list(Status))
times = st.floats(0, 100, width=32)
texts = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
states: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "status": statuses,
        "finished_s": times,
        "priority": times,
        "note": texts,
        "result_json": texts,
        "cause_number": st.none() | numbers,
    }
)


ANY_STATUS: dict[str, Any] = {  # what a task has in one status or another
    "ready_s": 1.0,
    "not_before_s": 2.0,
    "started_s": 3.0,
    "holder": "worker",
    "token": "t" * 32,
    "lease_s": 4.0,
    "lease_expires_s": 5.0,
}


@st.composite
def whole_tasks(draw: st.DrawFn) -> Task:
    number = draw(numbers)
    ends = draw(st.dictionaries(numbers, st.booleans(), max_size=4))
    return make_task(
        number,
        requires=tuple(end for end, must_succeed in ends.items() if must_succeed),
        follows=tuple(end for end, must_succeed in ends.items() if not must_succeed),
        key=draw(st.sampled_from([None, f"key {number}"])),
        group=draw(st.sampled_from([None, "a", "b"])),
        **ANY_STATUS,
        **draw(states),
    )


def put(task: Task) -> Step:
    def step(journal: Journal) -> object:
        known = task.number in journal.tasks
        return journal.rewrite(task) if known else journal.insert(task)

    return step


def change(number: int, state: dict[str, Any], quietly: bool) -> Step:
    def step(journal: Journal) -> object:
        before = journal.tasks.get(number)
        if before is None:
            return None
        if quietly:  # a heartbeat changes no status
            return journal.touch(replace(before, note=state["note"]))
        return journal.move(replace(before, **state))

    return step


def lanes(lane: str, duration: Duration | None, paused: bool) -> Step:
    def step(journal: Journal) -> object:
        if duration is None:
            journal.batch.paused[lane] = paused
        else:
            journal.batch.durations[lane] = duration
        journal.batch.attempts.append(Attempt(1, 1, lane, 0.0, 1.0, "failed"))
        return None

    return step


def limit(given: Limit) -> Step:
    def step(journal: Journal) -> object:
        journal.batch.limits[given.scope] = given
        return None

    return step


def schedule(name: str, given: Schedule | None) -> Step:
    def step(journal: Journal) -> object:
        journal.batch.schedules[name] = None if given is None else replace(given, name=name)
        return None

    return step


def fail_once(journal: Journal) -> None:
    """Write, lose it, write it again with what comes later."""
    batch = journal.write()
    journal.store.rollback()
    batch.absorb(journal.batch)
    journal.batch = batch


def prune(finished_before: float, after: int, limit: int) -> Step:
    def step(journal: Journal) -> object:
        journal.commit()
        pruned = journal.store.prune(13, finished_before, after, limit)
        left = journal.store.statuses(NUMBERS)
        journal.tasks = {n: task for n, task in journal.tasks.items() if n in left}
        return pruned

    return step


kinds: st.SearchStrategy[LimitKind] = st.sampled_from(["agent_type", "limit_key", "group"])
names = st.sampled_from("abc")
schedules = st.builds(
    Schedule,
    when=st.sampled_from(["15m", "0 9 * * MON"]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
    request=st.builds(checked, st.builds(TaskSpec, st.just("x"), payload=texts)),
    deadline_after=st.none() | times,
    anchor_s=times,
    next_s=times | st.just(inf),
    last_task=st.none() | numbers,
)
steps = st.one_of(
    st.builds(put, whole_tasks()),
    st.builds(change, numbers, states, st.booleans()),
    st.builds(
        lanes,
        st.sampled_from("xy"),
        st.none() | st.builds(Duration, times, st.integers(1, 9)),
        st.booleans(),
    ),
    st.builds(limit, st.builds(Limit, kinds, names, concurrency=st.none() | st.integers(1, 9))),
    st.builds(schedule, names, st.none() | schedules),
    st.builds(prune, times, st.integers(0, 12), st.integers(1, 12)),
    st.just(Journal.commit),
    st.just(fail_once),
)


def told(store: Store, where: Filter, below: int, limit: int) -> dict[str, object]:
    """All that a store can say."""
    loaded = store.load()
    page = store.page(where, below, limit)
    return {
        "loaded": [facts(task) for task in loaded.tasks],
        "rest": [getattr(loaded, name) for name in loaded.__struct_fields__[1:]],
        "tasks": {number: facts(task) for number, task in store.tasks(NUMBERS).items()},
        "statuses": store.statuses(NUMBERS),
        "results": store.results(NUMBERS),
        "keys": {k: t.number for k, t in store.by_keys([f"key {n}" for n in NUMBERS]).items()},
        "dependents": [store.dependents(number) for number in NUMBERS],
        "fallen": [[task.number for task in store.fallen_with(number)] for number in NUMBERS],
        "attempts": store.attempts(1),
        "changes": [(c.sequence, facts(c.task)) for c in store.changes(limit, below)],
        "page": ([facts(task) for task in page.tasks], page.last, page.has_more),
    }


filters = st.builds(
    Filter,
    statuses=st.none() | st.frozensets(statuses) | st.just(UNFINISHED),
    group=st.sampled_from([None, "a"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=25), filters, st.integers(1, 14), st.integers(1, 5))
def test_both_stores_tell_the_same(
    steps: list[Step], where: Filter, below: int, limit: int
) -> None:
    """After any sequence of batches, failed ones and prunings between them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_sqlite(f"{folder}/tasks.db", durability="accepted")) as sqlite,
    ):
        on_disk, in_memory = Journal(sqlite), Journal(MemoryStore())
        for step in [*steps, Journal.commit]:
            outcomes = step(on_disk), step(in_memory)
            assert isinstance(outcomes[0], Journal) or outcomes[0] == outcomes[1]
        assert told(on_disk.store, where, below, limit) == told(
            in_memory.store, where, below, limit
        )
