"""The public API does what a plain model says, under any sequence of calls."""

from __future__ import annotations

import os

from hypothesis import Phase, settings

from torture.machines.api import ApiMachine, FileMachine

PHASES = [Phase.generate] if "NO_SHRINK" in os.environ else list(Phase)
ApiMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, phases=PHASES
)
FileMachine.TestCase.settings = settings(ApiMachine.TestCase.settings, max_examples=10)
TestInMemory = ApiMachine.TestCase
TestOnDisk = FileMachine.TestCase
