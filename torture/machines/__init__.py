"""State machines: the public API, the graph and the ready queue against plain models.

`guest` runs Trio beside Hypothesis and `world` a scheduler in it; `state` is the model, with the
rules of `passing` (time) and `scoring` (order). `working`, `making`, `steering` and `looking`
hold the calls and what the model says of their answers; `api` draws them from `choices`.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from torture.machines.api import ApiMachine, FileMachine
from torture.parts import Budget, Outcome, Violation

RUNS, STEPS = 20, 50  # of a batch, and of a run: a few seconds
STORY = 4_000  # characters


def run(budget: Budget) -> Outcome:
    """Batch after batch, one machine after the other; batch n has the seed of the budget plus n.

    A run that fails is not made smaller, unless TORTURE_SHRINK is set: that may take minutes.
    """
    outcome = Outcome(counts={"runs": 0, "calls": 0})
    end = time.monotonic() + budget.seconds
    number = budget.seed
    with _quiet():
        while time.monotonic() < end and not outcome.violations:
            kind = kinds()[number % len(kinds())]
            _batch(kind, number, budget.folder, outcome)
            number += 1
    return outcome


def kinds() -> list[type[RuleBasedStateMachine]]:
    """The machines, the broadest most often. Those of the domain belong to the tests."""
    from tests.domain.test_graph_machine import GraphMachine
    from tests.domain.test_ready_queue import FairQueueMachine, QueueMachine

    return [ApiMachine, FileMachine, ApiMachine, GraphMachine, QueueMachine, FairQueueMachine]


def _batch(kind: type[RuleBasedStateMachine], number: int, folder: Path, outcome: Outcome) -> None:
    phases = [Phase.generate, *([Phase.shrink] if os.environ.get("TORTURE_SHRINK") else [])]
    chosen = settings(
        max_examples=RUNS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=phases,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(_counted(kind, folder, outcome)), settings=chosen)
    except Exception as error:
        again = f"python -m torture --only machines --seed {number}"
        outcome.violations.append(Violation("P1-P5", _story(kind.__name__, error), again))


def _story(name: str, error: Exception) -> str:
    """What was wrong, where, and the last of the steps that led there."""
    frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)[-4:]))
    steps = "\n".join(getattr(error, "__notes__", ()))
    return f"{name}: {type(error).__name__}: {str(error)[:STORY]}\n{frames}...{steps[-STORY:]}"


def _counted(
    kind: type[RuleBasedStateMachine], folder: Path, outcome: Outcome
) -> type[RuleBasedStateMachine]:
    """What makes such a machine, and counts it."""

    def make() -> RuleBasedStateMachine:
        outcome.counts["runs"] += 1
        machine = kind()
        if isinstance(machine, ApiMachine):
            machine.where = folder
            machine.calls = outcome.counts
        return machine

    return cast("type[RuleBasedStateMachine]", make)  # it is only called


@contextmanager
def _quiet() -> Iterator[None]:
    """Leases expire by the hundred: nobody wants to read of each."""
    log = logging.getLogger("headrace")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
