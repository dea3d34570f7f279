"""The public API of a scheduler under any sequence of calls, against the model in `state`."""

from __future__ import annotations

import tempfile
from functools import partial
from itertools import permutations, product
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scheduler import Scheduler, testing
from torture.machines import choices
from torture.machines.looking import Seen, check_all, compare, everything
from torture.machines.moves import Move, Step
from torture.machines.passing import jump, pass_to, renew_leases, settle
from torture.machines.state import DEAD, RUNNING, Asked, State
from torture.machines.world import World

MAX_UNFINISHED = 25


class ApiMachine(RuleBasedStateMachine):
    """In memory; see `FileMachine`."""

    on_disk = False
    where: Path | None = None  # for its files; None: where temporary ones belong

    def __init__(self) -> None:
        super().__init__()
        self.folder: tempfile.TemporaryDirectory[str] | None = None
        self.world: World
        self.state: State
        self.since = 0
        self.calls: dict[str, float] = {"calls": 0}

    @initialize(fair=st.booleans(), step=choices.some)
    def begin(self, fair: bool, step: Step) -> None:
        if self.on_disk:
            self.folder = tempfile.TemporaryDirectory(prefix="machine-", dir=self.where)
        path = None if self.folder is None else Path(self.folder.name)
        self.world = World(path, fairness=10.0 * fair, max_unfinished=MAX_UNFINISHED)
        self.state = State(testing.START, fair, MAX_UNFINISHED)
        self.do(step)

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.world.end()
        finally:
            if self.folder is not None:
                self.folder.cleanup()

    # ------------------------------------------------------------- calls

    def do(self, step: Step) -> None:
        """One call from a task of its own if it may have to wait, else from the usual one."""
        self.calls["calls"] += 1
        move = step.aim(self.state)
        if getattr(step, "wait", 0.0):
            asked = self.world.ask_together([move.ask])[0]
        else:
            asked = self.world.ask(move.ask)
        move.judge(self.state, asked)
        settle(self.state)

    @rule(step=choices.enqueues)
    def enqueue(self, step: Step) -> None:
        self.do(step)

    @rule(step=choices.claims)
    def claim(self, step: Step) -> None:
        self.do(step)

    @rule(step=choices.greedy)
    def claim_all(self, step: Step) -> None:
        self.do(step)

    @precondition(lambda self: self.state.tokens)
    @rule(step=choices.completes)
    def complete(self, step: Step) -> None:
        self.do(step)

    @precondition(lambda self: self.state.tokens)
    @rule(step=choices.fails)
    def fail(self, step: Step) -> None:
        self.do(step)

    @precondition(lambda self: self.state.tokens)
    @rule(step=choices.releases)
    def release(self, step: Step) -> None:
        self.do(step)

    @precondition(lambda self: self.state.tokens)
    @rule(step=choices.keeps)
    def keep(self, step: Step) -> None:
        self.do(step)

    @rule(step=choices.updates)
    def update(self, step: Step) -> None:
        self.do(step)

    @rule(step=choices.edges)
    def add_prerequisites(self, step: Step) -> None:
        self.do(step)

    @rule(step=choices.cancels)
    def cancel(self, step: Step) -> None:
        self.do(step)

    @precondition(lambda self: self.state.of(*DEAD))
    @rule(step=choices.retries)
    def retry(self, step: Step) -> None:
        self.do(step)

    @rule(step=choices.pauses | choices.limits)
    def hold_back(self, step: Step) -> None:
        self.do(step)

    @rule(step=choices.looks)
    def look(self, step: Step) -> None:
        self.do(step)

    @rule(step=choices.lists)
    def read_pages(self, step: Step) -> None:
        self.do(step)

    @rule(step=choices.details)
    def ask_details(self, step: Step) -> None:
        self.do(step)

    @rule(steps=st.lists(choices.any_step, min_size=2, max_size=3), ticks=choices.ticks)
    def at_once(self, steps: list[Step], ticks: tuple[int, ...]) -> None:
        """Calls at the same moment, some ticks of the loop apart, as if in some order."""
        self.calls["calls"] += len(steps)
        moves = [step.aim(self.state) for step in steps]
        asked = self.world.ask_together([move.ask for move in moves], ticks)
        seen = self.world.ask(everything).heard
        self.state = _some_order(self.state, list(zip(moves, asked, strict=True)), seen)

    # ------------------------------------------------------------- time

    @rule(seconds=st.sampled_from([1, 5, 30, 120, 1000, 90_000]))
    def let_pass(self, seconds: int) -> None:
        self.world.guest.let_pass(seconds)
        pass_to(self.state, self.state.now + seconds)

    @rule(seconds=st.sampled_from([-3600, -40, 40, 3600]))  # a few seconds are not noticed at once
    def step_clock(self, seconds: int) -> None:
        """The wall clock is set; the claim lets the actors look at it."""
        self.world.skew += seconds
        asked = self.world.ask(lambda scheduler: scheduler.claim("nobody", ["nothing"]))
        assert asked.heard == []
        jump(self.state, float(seconds))

    # ------------------------------------------------------------- life

    @rule()
    def restart(self) -> None:
        self.world.restart()
        self._reopened()

    @rule()
    def kill(self) -> None:
        self.world.kill()
        self._take_over_leases()
        self._reopened()

    def _reopened(self) -> None:
        """Claims that waited are gone; leases start anew; the clock is believed again."""
        self.state.waiting.clear()
        self.state.now -= self.state.behind
        self.state.behind = 0.0
        for row in self.state.of(RUNNING):
            row.leases = row.leases[-1:]
        renew_leases(self.state)
        for bucket in self.state.limits.values():
            bucket.limit_to(self.state.now)
        for row in self.state.unfinished():
            row.depth = -1
        for row in self.state.unfinished():
            row.depth = _depth_anew(self.state, row.number)
        settle(self.state)

    def _take_over_leases(self) -> None:
        """A heartbeat is saved within a second: its lease may be lost, an older one holds then."""
        for row in self.state.of(RUNNING):
            task = self.world.ask(partial(Scheduler.get, task=row.id)).heard
            assert task.lease_s in row.leases
            row.leases.append(task.lease_s)

    # ------------------------------------------------------------- always

    @rule()
    def read_feed(self) -> None:
        """It tells what has changed since it was read last, as it stands, and nothing else."""
        asked = self.world.ask(lambda scheduler: scheduler.read_changes(self.since))
        changes, self.since = asked.heard
        assert {change.task.number for change in changes} == self.state.changed
        assert len(changes) == len(self.state.changed)
        for change in changes:
            compare(self.state.rows[change.task.number], change.task)
        self.state.changed.clear()

    @invariant()
    def all_is_as_it_must_be(self) -> None:
        check_all(self.state, self.world.ask(everything).heard)


def _some_order(state: State, calls: list[tuple[Move, Asked]], seen: Seen) -> State:
    """The state after the calls in an order in which all the answers, and what is seen, are right.

    Who waits is served between two calls, or not before all that came together is done.
    """
    wrong: list[AssertionError] = []
    for order in permutations(calls):
        for between in product([True, False], repeat=len(calls) - 1):
            trial = state.copy()
            trial.withdrawn = frozenset(move.withdraws for move, _ in calls if move.withdraws)
            try:
                for (move, asked), serves in zip(order, (*between, True), strict=True):
                    move.judge(trial, asked)
                    if serves:
                        settle(trial)
                trial.withdrawn = frozenset()
                settle(trial)
                check_all(trial, seen)
            except AssertionError as error:
                wrong.append(error)
            else:
                return trial
    heard = [f"heard {asked.heard!r}" for _, asked in calls]
    why = "\n".join(dict.fromkeys(heard + [str(error).partition("\n")[0] for error in wrong]))
    raise AssertionError(f"the answers fit no order of the calls:\n{why}") from wrong[0]


def _depth_anew(state: State, number: int) -> int:
    row = state.rows[number]
    if row.depth < 0:
        row.depth = 1 + max((_depth_anew(state, other) for other in row.waits), default=-1)
    return row.depth


class FileMachine(ApiMachine):
    """The same on files."""

    on_disk = True
