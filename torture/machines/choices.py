"""The Hypothesis strategies from which steps are drawn."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from scheduler import Status
from torture.machines.looking import (
    AsksDetails,
    AsksStatus,
    AsksWhyIdle,
    Explains,
    Lists,
    MakesPlan,
    Waits,
)
from torture.machines.making import LATER, AddsPrerequisites, Enqueues, Retries, Wish
from torture.machines.moves import Step
from torture.machines.scoring import SOURCES
from torture.machines.state import NOBODY
from torture.machines.steering import Cancels, Pauses, SetsLimit, Updates
from torture.machines.working import (
    Claims,
    Completes,
    Fails,
    Heartbeats,
    Releases,
    ReleasesHolders,
)

LANES = ("general", "builder")
LANES_ASKED = (None, ("general",), ("builder",), ("builder", "general"))
SCOPES = (("agent_type", "general"), ("limit_key", "api"), ("agent_type", "builder"))

tasks = st.integers(0, 25).map(lambda index: NOBODY if index == 25 else index)
recent = st.integers(0, 29)  # a claim
others = st.integers(-2, 8) | st.sampled_from([-1, -2, 3, 21, NOBODY, LATER])
references = st.just(()) | st.lists(others, max_size=2).map(tuple)
groups = st.sampled_from([None, "g", "h"])
limit_keys = st.sampled_from([None, None, "api"])
estimates = st.sampled_from([None, 0.0, 10.0, 60.0, 60.0, 7200.0, 5e4])
times = st.sampled_from([None, -30.0, 5.0, 60.0, 600.0, 86400.0])
whens = st.sampled_from([None, None, None, -30.0, 5.0, 60.0, 600.0])
attempts = st.integers(1, 3)
bases = st.integers(0, 10)
leases = st.sampled_from([5.0, 30.0, 300.0])

wishes = st.builds(
    Wish,
    lane=st.sampled_from(LANES),
    base=st.just(5) | bases,
    source=st.just("human") | st.sampled_from(sorted(SOURCES)),
    group=groups,
    limit_key=limit_keys,
    key=st.sampled_from([None] * 7 + ["k"]),
    requires=references,
    follows=references,
    parent=st.none() | tasks,
    starts_in=whens,
    due_in=whens,
    estimate=estimates,
    max_attempts=attempts,
)
plain = st.builds(Wish, lane=st.sampled_from(LANES), key=st.sampled_from([None, None, "l"]))

enqueues: st.SearchStrategy[Step] = st.builds(
    Enqueues, st.lists(wishes | plain, min_size=1, max_size=4).map(tuple)
)
claims: st.SearchStrategy[Step] = st.builds(
    Claims,
    holder=st.sampled_from(["ann", "bob", "bo"]),
    lanes=st.sampled_from(LANES_ASKED),
    limit=st.sampled_from([1, 1, 2, 5]),
    lease=leases,
    wait=st.sampled_from([0.0, 0.0, 0.0, 8.5, 500.5]),  # never ends when something else happens
)
greedy: st.SearchStrategy[Step] = st.builds(
    Claims, st.just("eve"), st.none(), st.just(9), st.sampled_from([30.0, 300.0]), st.just(0.0)
)
completes: st.SearchStrategy[Step] = st.builds(
    Completes, st.lists(recent, min_size=1, max_size=2).map(tuple), st.none() | bases
)
fails: st.SearchStrategy[Step] = st.builds(
    Fails, recent, st.booleans(), st.sampled_from([None, 0.0, 20.0])
)
releases: st.SearchStrategy[Step] = st.builds(Releases, recent)
keeps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Heartbeats, recent, st.none() | leases),
    st.builds(ReleasesHolders, st.sampled_from(["ann", "bo", "nobody"])),
)
updates = st.one_of(
    st.builds(Updates, tasks, st.just("agent_type"), st.sampled_from(LANES)),
    st.builds(Updates, tasks, st.just("base_priority"), bases),
    st.builds(Updates, tasks, st.just("group"), groups),
    st.builds(Updates, tasks, st.just("limit_key"), limit_keys),
    st.builds(Updates, tasks, st.sampled_from(["deadline", "not_before"]), times),
    st.builds(
        Updates, tasks, st.just("estimated_duration"), estimates.filter(lambda s: s is not None)
    ),
    st.builds(Updates, tasks, st.just("max_attempts"), attempts),
)
edges: st.SearchStrategy[Step] = st.builds(
    AddsPrerequisites,
    tasks,
    st.lists(tasks, max_size=2).map(tuple),
    st.lists(tasks, max_size=2).map(tuple),
)
cancels: st.SearchStrategy[Step] = st.builds(Cancels, tasks, st.booleans())
retries: st.SearchStrategy[Step] = st.builds(Retries, tasks, st.booleans())
changes: st.SearchStrategy[Step] = st.one_of(updates, edges, cancels, retries)
pauses: st.SearchStrategy[Step] = st.builds(Pauses, st.sampled_from(LANES), st.booleans())
limits: st.SearchStrategy[Step] = st.one_of(
    st.builds(SetsLimit, st.sampled_from(SCOPES)),
    st.builds(SetsLimit, st.sampled_from(SCOPES), concurrency=st.integers(1, 3)),
    st.builds(
        SetsLimit,
        st.sampled_from(SCOPES),
        concurrency=st.none() | st.integers(1, 3),
        starts=st.sampled_from([1, 2, 4]),
        per=st.sampled_from([16.0, 128.0]),  # moments without a remainder
        burst=st.sampled_from([None, 1, 8]),
    ),
)
maybe_lane: st.SearchStrategy[Any] = st.none() | st.sampled_from(LANES)
filters = (
    st.none() | st.lists(st.sampled_from(list(Status)), max_size=3, unique=True).map(tuple),
    maybe_lane,
    groups,
    st.none() | st.sampled_from(sorted(SOURCES)),
)
lists: st.SearchStrategy[Step] = st.builds(Lists, *filters, st.sampled_from([1, 3, 500]))
pages: st.SearchStrategy[Step] = st.builds(Lists, *filters, st.just(500))  # told at one moment
looks: st.SearchStrategy[Step] = st.one_of(
    st.builds(AsksStatus),
    st.builds(AsksWhyIdle, st.sampled_from(LANES_ASKED)),
    st.builds(Explains, tasks),
    st.builds(
        MakesPlan, st.none() | st.lists(tasks, max_size=4).map(tuple), st.sampled_from([None, 1, 3])
    ),
    st.builds(Waits, st.lists(tasks, max_size=3).map(tuple)),
)
details: st.SearchStrategy[Step] = st.builds(AsksDetails, tasks)
some = st.builds(Enqueues, st.lists(wishes, min_size=4, max_size=8).map(tuple))  # to begin with
any_step = st.one_of(
    enqueues,
    claims,
    claims,
    completes,
    fails,
    releases,
    keeps,
    changes,
    pauses,
    limits,
    looks,
    pages,
    details,
)
ticks = st.just((0, 0, 0)) | st.tuples(*[st.integers(0, 6)] * 3)
