"""What every store promises, whatever it writes to."""

from __future__ import annotations

from math import inf

import pytest
from msgspec.structs import replace

from persistence import listing, memory
from persistence.sqlite import SQLiteStore
from persistence.store import Batch, Duration, Edge, Filter, Store
from scheduler.domain.recurrence import Schedule
from scheduler.domain.request import checked
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import FINISHED, Attempt, Status
from tests.support.journal import Journal, facts, make_task

BLOCKED, READY, RUNNING = Status.BLOCKED, Status.READY, Status.RUNNING
COMPLETED, FAILED, CANCELLED = Status.COMPLETED, Status.FAILED, Status.CANCELLED


class TestWriting:
    def test_every_field_of_a_task_is_kept(self, store: Store, journal: Journal) -> None:
        """What was written is read back, hostile text byte for byte."""
        task = make_task(
            7,
            RUNNING,
            description="'; DROP TABLE tasks; --\n\t\u202e \U0001f33e",
            deadline_s=1.5,
            payload_json='{"a":[1,null,"\\u0000"]}',
            key="ключ",
            request_hash="h",
            group="g",
            parent=(1 << 63) - 1,
            timeout=0.25,
            dependency_depth=3,
            revision=9,
            attempt=2,
            priority=61.25,
            not_before_s=2.5,
            ready_s=3.5,
            finished_s=4.5,
            progress=0.5,
            note="n",
            result_json="[]",
            error="e",
            cause_number=5,
            requires=(1, 2),
            follows=(3,),
        )
        journal.insert(task).commit()
        assert facts(store.tasks([7])[7]) == facts(task)

    def test_nothing_is_there_before_the_commit_and_after_a_rollback(
        self, store: Store, journal: Journal
    ) -> None:
        """A rollback forgets what was written since the last commit."""
        journal.insert(make_task(1)).write()
        store.rollback()
        assert store.load().tasks == []
        assert store.load().sequence == 0

    def test_a_batch_can_be_written_again_after_a_rollback(
        self, store: Store, journal: Journal
    ) -> None:
        """What failed once is written once."""
        batch = journal.insert(make_task(1, requires=(5,))).write()
        store.rollback()
        for _ in store.write(batch):
            pass
        store.commit()
        assert list(store.tasks([1])) == [1]

    def test_a_batch_whose_commit_may_have_failed_is_written_over_itself(
        self, store: Store, journal: Journal
    ) -> None:
        """A later state takes the place of the row, and an attempt is on record once."""
        journal.batch.attempts.append(Attempt(1, 1, "w", 1.0, 2.0, "released"))
        batch = journal.insert(make_task(1, RUNNING, note="n", group="g")).write()
        store.commit()
        batch.absorb(journal.batch)
        released = make_task(1, READY, token=None, holder=None, lease_s=None, lease_expires_s=None)
        batch.move(released, 2)
        for _ in store.write(batch):
            pass
        store.commit()
        assert facts(store.tasks([1])[1]) == facts(released)
        assert len(store.attempts(1)) == 1

    def test_a_move_changes_the_state_and_the_feed(self, store: Store, journal: Journal) -> None:
        """A moved task has its new state, its edges, and the newest place in the feed."""
        journal.insert(make_task(1, requires=(9,)), make_task(2)).commit()
        journal.move(make_task(1, COMPLETED, requires=(9,), result_json="1")).commit()
        assert [(c.sequence, c.task.number) for c in store.changes(0, 10)] == [(2, 2), (3, 1)]
        task = store.tasks([1])[1]
        assert (task.status, task.result_json, task.requires) == (COMPLETED, "1", (9,))

    def test_a_touch_is_no_change_in_the_feed(self, store: Store, journal: Journal) -> None:
        """A heartbeat is saved, and nobody who follows the feed hears of it."""
        running = make_task(1, RUNNING)
        journal.insert(running).commit()
        journal.touch(replace(running, progress=0.75)).commit()
        assert store.tasks([1])[1].progress == 0.75
        assert store.changes(1, 10) == []

    def test_a_rewrite_replaces_columns_and_edges(self, store: Store, journal: Journal) -> None:
        """Old edges and an old key are gone in both directions."""
        journal.insert(make_task(3, BLOCKED, requires=(1,), key="old")).commit()
        after = make_task(3, BLOCKED, follows=(2,), key="new", base_priority=9)
        journal.rewrite(after).commit()
        assert facts(store.tasks([3])[3]) == facts(after)
        assert store.dependents(1) == []
        assert store.dependents(2) == [Edge(3, 2, must_succeed=False)]
        assert list(store.by_keys(["old", "new"])) == ["new"]

    def test_learning_and_pausing_a_lane_leave_each_other_alone(
        self, store: Store, journal: Journal
    ) -> None:
        """A lane that is paused keeps its mean, and one that learns stays paused."""
        journal.batch.durations["builder"] = Duration(5.0, 2)
        journal.batch.paused |= {"builder": True, "parser": True}
        journal.commit()
        journal.batch.durations["builder"] = Duration(6.0, 3)
        journal.batch.paused["parser"] = False
        journal.commit()
        loaded = store.load()
        assert loaded.durations == {"builder": Duration(6.0, 3)}
        assert loaded.paused == {"builder"}

    def test_a_batch_without_counts_leaves_the_counters(
        self, store: Store, journal: Journal
    ) -> None:
        """A status that is not named is as it was."""
        journal.insert(make_task(1, FAILED)).commit()
        for _ in store.write(Batch()):
            pass
        store.commit()
        loaded = store.load()
        assert (loaded.finished[FAILED], loaded.sequence) == (1, 1)

    def test_attempts_come_oldest_first(self, store: Store, journal: Journal) -> None:
        """Also when a release gave the same number out again."""
        history = [
            Attempt(1, 1, "a", 1.0, 2.0, "released"),
            Attempt(1, 1, "b", 2.0, 3.0, "failed", "why"),
        ]
        journal.batch.attempts += [history[0], Attempt(2, 1, "c", 1.0, 2.0, "completed")]
        journal.commit()
        journal.batch.attempts.append(history[1])
        journal.commit()
        assert store.attempts(1) == history


class TestLoading:
    def test_an_empty_store(self, store: Store) -> None:
        """A new store holds nothing, and counts every way to end."""
        loaded = store.load()
        assert loaded.tasks == []
        assert loaded.finished == dict.fromkeys(FINISHED, 0)
        assert (loaded.sequence, loaded.largest, loaded.pruned_sequence) == (0, 0, 0)

    def test_unfinished_tasks_in_order_and_what_they_wait_for(
        self, store: Store, journal: Journal
    ) -> None:
        """Finished tasks are not loaded; the statuses of those still waited for are."""
        journal.insert(
            make_task(4, BLOCKED, requires=(3,), follows=(2,)),
            make_task(3, RUNNING, requires=(1,)),
            make_task(2, FAILED),
            make_task(1, COMPLETED),
            make_task(5, CANCELLED, requires=(2,)),
        ).commit()
        loaded = store.load()
        assert [facts(task) for task in loaded.tasks] == [facts(journal.tasks[n]) for n in (3, 4)]
        assert loaded.outside == {1: COMPLETED, 2: FAILED}
        assert loaded.largest == 5
        assert loaded.finished == {COMPLETED: 1, FAILED: 1, CANCELLED: 1}


class TestLookingUp:
    def test_unknown_tasks_are_left_out(self, store: Store, journal: Journal) -> None:
        """A look-up answers with those that exist."""
        journal.insert(make_task(1), make_task(2, COMPLETED, result_json='"r"')).commit()
        assert store.statuses([1, 2, 99]) == {1: READY, 2: COMPLETED}
        assert sorted(store.tasks([2, 99, 1])) == [1, 2]
        assert store.results([1, 2, 99]) == {2: '"r"'}
        assert (store.tasks([]), store.results([]), store.statuses([])) == ({}, {}, {})

    def test_many_at_once(self, store: Store, journal: Journal) -> None:
        """The number of ids in one look-up has no limit."""
        journal.insert(*(make_task(n, key=f"k{n}") for n in range(1, 2_001))).commit()
        numbers = range(1, 40_000)
        assert len(store.statuses(numbers)) == 2_000
        assert len(store.by_keys([f"k{n}" for n in numbers])) == 2_000

    def test_by_key(self, store: Store, journal: Journal) -> None:
        """Keys are found exactly, with quotes and emoji in them."""
        key = 'it\'s "so" \U0001f33e \\'
        journal.insert(make_task(1, key=key), make_task(2)).commit()
        found = store.by_keys([key, key.upper(), "nope"])
        assert [(k, task.number) for k, task in found.items()] == [(key, 1)]

    def test_dependents_by_number(self, store: Store, journal: Journal) -> None:
        """Both kinds of edges, of finished tasks too."""
        journal.insert(
            make_task(9, BLOCKED, follows=(1,)), make_task(3, COMPLETED, requires=(1,))
        ).commit()
        assert store.dependents(1) == [Edge(3, 1, True), Edge(9, 1, False)]
        assert store.dependents(3) == []

    def test_of_two_edges_to_one_task_the_stronger_stands(
        self, store: Store, journal: Journal
    ) -> None:
        """To succeed includes to end."""
        journal.insert(make_task(2, BLOCKED, requires=(1,), follows=(1,))).commit()
        assert store.dependents(1) == [Edge(2, 1, must_succeed=True)]

    def test_those_that_fell_with_a_root(self, store: Store, journal: Journal) -> None:
        """The whole cascade, each once, and nothing that fell for another reason."""
        journal.insert(
            make_task(1, FAILED),
            make_task(2, CANCELLED, requires=(1,), cause_number=1),
            make_task(3, CANCELLED, requires=(1,), cause_number=1),
            make_task(4, CANCELLED, requires=(2, 3), cause_number=1),
            make_task(5, CANCELLED, requires=(4,), cause_number=77),
            make_task(6, COMPLETED, follows=(1,)),
        ).commit()
        assert [task.number for task in store.fallen_with(1)] == [2, 3, 4]
        assert store.fallen_with(4) == []

    def test_a_deep_cascade(self, store: Store, journal: Journal) -> None:
        """A chain of thousands is no problem."""
        chain = [make_task(1, FAILED)]
        chain += [
            make_task(n, CANCELLED, requires=(n - 1,), cause_number=1) for n in range(2, 3_001)
        ]
        journal.insert(*chain).commit()
        assert len(store.fallen_with(1)) == 2_999


class TestFeed:
    def test_each_task_once_in_its_latest_state(self, store: Store, journal: Journal) -> None:
        """Changes come in order, after `since`, up to the limit."""
        journal.insert(*(make_task(n) for n in (1, 2, 3))).commit()
        journal.move(make_task(2, RUNNING)).commit()
        changes = store.changes(1, 2)
        assert [(c.sequence, c.task.number) for c in changes] == [(3, 3), (4, 2)]
        assert changes[1].task.status is RUNNING
        assert [c.sequence for c in store.changes(0, 1)] == [1]
        assert store.changes(4, 10) == []


class TestSchedules:
    def test_they_come_back_as_they_were(self, store: Store, journal: Journal) -> None:
        """By name; one that was stopped does not."""
        spec = TaskSpec("x", payload={"a": [1.5, None]}, timeout=3, group="g", limit_key="api")
        first = Schedule("b", "0 9 * * *", "UTC", "all", 60.0, checked(spec), 1.5, 2.5, 7)
        second = Schedule("a", "15m", "UTC", "skip", None, checked(TaskSpec("y")), 1.5, inf)
        for schedule in (first, second, replace(first, name="c")):
            journal.batch.schedules[schedule.name] = schedule
        journal.insert(make_task(7)).commit()
        assert [each.name for each in store.load().schedules] == ["a", "b", "c"]
        journal.batch.schedules["c"] = None
        journal.batch.schedules["b"] = replace(first, next_s=99.0)
        journal.commit()
        assert store.load().schedules == [second, replace(first, next_s=99.0)]

    def test_they_wait_with_the_tasks_made_of_them(self, store: Store, journal: Journal) -> None:
        """Of a batch that is not committed, neither is there."""
        journal.batch.schedules["a"] = Schedule(
            "a", "15m", "UTC", "skip", None, checked(TaskSpec("x"))
        )
        journal.insert(make_task(7)).write()
        store.rollback()
        loaded = store.load()
        assert (loaded.tasks, loaded.schedules) == ([], [])


class TestPages:
    @pytest.mark.parametrize(
        ("where", "numbers"),
        [
            (Filter(), [6, 5, 4, 3, 2, 1]),
            (Filter(statuses=frozenset({READY})), [4, 1]),
            (Filter(statuses=frozenset({READY, COMPLETED})), [6, 4, 1]),
            (Filter(statuses=frozenset()), []),
            (Filter(source="agent_planner"), [2]),
            (Filter(agent_type="parser"), [3]),
            (Filter(group="g"), [5, 4]),
            (Filter(statuses=frozenset({READY}), group="g"), [4]),
            (Filter(group="' OR 1=1 --"), []),
        ],
    )
    def test_filters(
        self, store: Store, journal: Journal, where: Filter, numbers: list[int]
    ) -> None:
        """A page holds what all parts of the filter admit, newest first."""
        journal.insert(
            make_task(1),
            make_task(2, BLOCKED, source="agent_planner"),
            make_task(3, RUNNING, agent_type="parser"),
            make_task(4, group="g"),
            make_task(5, FAILED, group="g"),
            make_task(6, COMPLETED),
        ).commit()
        page = store.page(where, None, 10)
        assert [task.number for task in page.tasks] == numbers
        assert (page.last, page.has_more) == (None, False)

    def test_pages_follow_each_other(self, store: Store, journal: Journal) -> None:
        """`last` of one page is `below` of the next, and no task is missed or seen twice."""
        journal.insert(*(make_task(n, requires=(n - 1,)) for n in range(1, 8))).commit()
        seen, below, more = [], None, True
        while more:
            page = store.page(Filter(), below, 3)
            seen.append([task.number for task in page.tasks])
            below, more = page.last, page.has_more
        assert seen == [[7, 6, 5], [4, 3, 2], [1]]
        assert store.page(Filter(), 2, 1).tasks[0].requires == (0,)

    @pytest.mark.parametrize("statuses", [frozenset({READY}), frozenset({READY, FAILED}), None])
    def test_a_rare_filter_examines_a_bounded_number_of_rows(
        self,
        store: Store,
        journal: Journal,
        monkeypatch: pytest.MonkeyPatch,
        statuses: frozenset[Status] | None,
    ) -> None:
        """A page may be empty and yet not the last: it says where it stopped."""
        for module in (listing, memory):
            monkeypatch.setattr(module, "PAGE_EXAMINES", 2)
        monkeypatch.setattr(listing, "PAGE_LOOKS_UP", 2)
        rare = make_task(1, agent_type="rare")
        journal.insert(rare, *(make_task(n) for n in range(2, 8))).commit()
        where = Filter(statuses=statuses, agent_type="rare")
        first = store.page(where, None, 2)
        assert (first.tasks, first.last, first.has_more) == ((), 4, True)
        second = store.page(where, first.last, 2)
        assert [task.number for task in second.tasks] == [1]
        assert (second.last, second.has_more) == (None, False)

    @pytest.mark.parametrize(
        "where",
        [
            Filter(group="rare"),
            Filter(statuses=frozenset({FAILED})),
            Filter(statuses=frozenset({READY, FAILED}), group="rare"),
            Filter(statuses=frozenset({FAILED, CANCELLED}), group="common"),
        ],
    )
    def test_few_tasks_of_a_status_or_a_group_are_found_at_once(
        self, sqlite: SQLiteStore, monkeypatch: pytest.MonkeyPatch, where: Filter
    ) -> None:
        """However many others there are: a page is cut from where the fewest lie together."""
        monkeypatch.setattr(listing, "PAGE_LOOKS_UP", 2)
        wanted = make_task(1, FAILED, group=where.group or "rare")
        others = [make_task(number, group="common") for number in range(2, 20)]
        Journal(sqlite).insert(wanted, *others).commit()
        page = sqlite.page(where, None, 2)
        assert [task.number for task in page.tasks] == [1]
        assert (page.last, page.has_more) == (None, False)


class TestPruning:
    def test_old_finished_tasks_go_with_their_edges_and_attempts(
        self, store: Store, journal: Journal
    ) -> None:
        """The counters, and how far back the feed reaches, go with them."""
        journal.insert(
            make_task(1, COMPLETED, finished_s=10.0, key="k"),
            make_task(2, FAILED, requires=(1,), finished_s=20.0),
            make_task(3, COMPLETED, finished_s=99.0),
            make_task(4, READY),
        )
        journal.batch.attempts.append(Attempt(2, 1, "w", 1.0, 2.0, "failed"))
        journal.commit()
        pruned = store.prune(created_before=100, finished_before=50.0, after=0, limit=10)
        assert (pruned.last, pruned.removed) == (0, {COMPLETED: 1, FAILED: 1})
        assert pruned.sequence == 2
        assert sorted(store.statuses(range(10))) == [3, 4]
        assert (store.attempts(2), store.dependents(1)) == ([], [])
        assert store.by_keys(["k"]) == {}
        loaded = store.load()
        assert loaded.pruned_sequence == 2
        assert loaded.finished == {COMPLETED: 1, FAILED: 0, CANCELLED: 0}

    def test_what_an_unfinished_task_waits_for_stays(self, store: Store, journal: Journal) -> None:
        """Both kinds of edges hold a task; those of finished tasks do not."""
        journal.insert(
            *(make_task(n, COMPLETED, finished_s=1.0) for n in (1, 2, 3)),
            make_task(4, READY, requires=(1,), follows=(2,)),
            make_task(5, COMPLETED, requires=(3,)),
        ).commit()
        store.prune(created_before=100, finished_before=50.0, after=0, limit=10)
        assert sorted(store.statuses(range(10))) == [1, 2, 4, 5]
        assert store.tasks([5])[5].requires == (3,)

    def test_steps_are_bounded_and_follow_each_other(self, store: Store, journal: Journal) -> None:
        """A step examines `limit` tasks and says where the next one begins; 0 is the end."""
        journal.insert(*(make_task(n, COMPLETED, finished_s=1.0) for n in range(1, 8))).commit()
        steps, after = [], 0
        while True:
            pruned = store.prune(created_before=7, finished_before=50.0, after=after, limit=4)
            steps.append((pruned.last, sum(pruned.removed.values())))
            after = pruned.last
            if not after:
                break
        assert steps == [(4, 4), (0, 2)]
        assert list(store.statuses(range(10))) == [7]
