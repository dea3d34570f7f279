"""The public API does what a plain model says, under any sequence of calls."""

from __future__ import annotations

from hypothesis import settings

from torture.machines.api import ApiMachine, FileMachine

ApiMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
FileMachine.TestCase.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)
TestInMemory = ApiMachine.TestCase
TestOnDisk = FileMachine.TestCase
