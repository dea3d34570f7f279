"""The textbook's schedules on small workflows, and what holds for each schedule of any."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.recorded import (
    Job,
    by_graphlib,
    by_submission,
    by_upward_rank,
    lower_bound,
    upward_ranks,
    with_mean_runtimes,
    workflows,
)
from benchmarks.simulated import with_true_estimates, without_and_with_learned

Schedule = Callable[[Sequence[Job], int], float]
LIST_SCHEDULES: tuple[Schedule, ...] = (by_upward_rank, by_submission, by_graphlib)
ROUNDING = 1e-9  # of the seconds
IN_THREADS = 0.01  # seconds by which the clock may jump while a commit is made in a thread


def job(ref: str, seconds: float, *prerequisites: str) -> Job:
    return Job(ref, ref, seconds, prerequisites)


# The chain d-e takes 6 s; whoever starts with a, b and c, which were submitted before, ends late.
LATE_CHAIN = (job("a", 2), job("b", 2), job("c", 2), job("d", 1), job("e", 5, "d"))


@st.composite
def graphs(draw: st.DrawFn) -> list[Job]:
    """Up to twelve jobs of whole seconds, each after some of those before it."""
    jobs: list[Job] = []
    for place in range(draw(st.integers(1, 12))):
        earlier = st.sets(st.sampled_from([job.ref for job in jobs])) if jobs else st.just(set())
        seconds = float(draw(st.integers(0, 9)))
        program = f"{draw(st.sampled_from('xyz'))}_{place}"
        jobs.append(Job(str(place), program, seconds, tuple(sorted(draw(earlier)))))
    return jobs


def test_an_upward_rank_reaches_to_the_end_of_the_longest_chain() -> None:
    diamond = [job("a", 1), job("b", 2, "a"), job("c", 4, "a"), job("d", 8, "b", "c")]
    assert upward_ranks(diamond) == {"a": 13, "b": 10, "c": 12, "d": 8}


def test_upward_rank_starts_the_long_chain_first() -> None:
    assert by_upward_rank(LATE_CHAIN, 2) == 6


@pytest.mark.parametrize("schedule", [by_submission, by_graphlib])
def test_the_other_orders_start_the_long_chain_late(schedule: Schedule) -> None:
    assert schedule(LATE_CHAIN, 2) == 8


def test_one_worker_needs_the_sum_in_any_order() -> None:
    assert [schedule(LATE_CHAIN, 1) for schedule in LIST_SCHEDULES] == [12, 12, 12]


def test_graphlib_takes_what_became_ready_first_and_submission_what_was_submitted_first() -> None:
    alone = [job("r", 1), job("a", 1, "r"), job("late", 5, "a"), job("b", 2, "r"), job("c", 2, "r")]
    assert by_submission(alone, 2) == 7
    assert by_graphlib(alone, 2) == 8


def test_the_bound_is_the_longest_chain_or_the_even_share() -> None:
    assert lower_bound(LATE_CHAIN, 1) == 12
    assert lower_bound(LATE_CHAIN, 2) == 6
    assert lower_bound(LATE_CHAIN, 64) == 6


def test_mean_runtimes_are_those_of_a_program() -> None:
    jobs = [Job("1", "sort_ID1", 2), Job("2", "sort_ID2", 4), Job("3", "merge", 7, ("1",))]
    assert [one.runtime_s for one in with_mean_runtimes(jobs)] == [3, 3, 7]
    assert with_mean_runtimes(jobs)[2].prerequisites == ("1",)


def test_chains_can_be_measured_with_other_runtimes_than_they_take() -> None:
    believed = [job("a", 9), job("b", 9), job("c", 9), job("d", 1), job("e", 1, "d")]
    assert by_upward_rank(LATE_CHAIN, 2, believed) == 8


@given(graphs(), st.integers(1, 5))
def test_no_list_schedule_beats_the_bound_or_takes_twice_as_long(
    jobs: list[Job], workers: int
) -> None:
    """Graham, 1969: without an idle worker at most 2 - 1 / workers times the optimum."""
    bound = lower_bound(jobs, workers)
    for schedule in LIST_SCHEDULES:
        assert bound - ROUNDING <= schedule(jobs, workers)
        assert schedule(jobs, workers) <= (2 - 1 / workers) * bound + ROUNDING


@settings(max_examples=20, deadline=None)
@given(graphs(), st.integers(1, 5))
def test_the_scheduler_leaves_no_worker_idle_either(jobs: list[Job], workers: int) -> None:
    """The same bound holds for it, whatever it knows of the runtimes."""
    bound = lower_bound(jobs, workers)
    for seconds in (
        with_true_estimates(jobs, workers),
        *without_and_with_learned(jobs, workers),
    ):
        assert bound - ROUNDING <= seconds <= (2 - 1 / workers) * bound + IN_THREADS


def test_what_was_learned_in_the_first_run_orders_the_second_one() -> None:
    """Nothing is known at first, and what was submitted first goes first: the long one last."""
    jobs = [Job("1", "short", 2), Job("2", "short", 2), Job("3", "long", 4)]
    assert without_and_with_learned(jobs, 2) == (6, 4)


def test_the_recorded_workflows_stand_in_order() -> None:
    for jobs in workflows().values():
        seen: set[str] = set()
        for one in jobs:
            assert seen.issuperset(one.prerequisites)
            seen.add(one.ref)
