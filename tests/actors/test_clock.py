"""The time that actors live by."""

from __future__ import annotations

import pytest

from actors.clock import JUMP, Clock


class Hands:
    """A wall clock that can be set, and a monotonic one that cannot."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.monotonic = 50.0

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def clock(hands: Hands) -> Clock:
    return Clock(lambda: hands.wall, lambda: hands.monotonic)


@pytest.mark.parametrize("step", [0.5, 3_600.0, 1e9])
def test_a_step_back_is_not_followed(hands: Hands, clock: Clock, step: float) -> None:
    """Time goes on at the pace of the monotonic clock, from where it was."""
    before = clock.now()
    hands.wall -= step
    hands.wait(2.0)
    assert clock.now() == pytest.approx(before + 2.0)
    hands.wait(60.0)
    assert clock.now() == pytest.approx(before + 62.0)
    assert not clock.jumped


def test_many_steps_back_add_up(hands: Hands, clock: Clock) -> None:
    """Time never runs backwards, and never stands still."""
    last = clock.now()
    for _ in range(20):
        hands.wall -= 1_000.0
        hands.wait(1.0)
        assert clock.now() == pytest.approx(last + 1.0)
        last = clock.now()


def test_a_clock_that_is_set_right_again(hands: Hands, clock: Clock) -> None:
    """The step forward makes good the one back: no jump is told, and no time is counted twice."""
    before = clock.now()
    hands.wall -= 3_600.0
    hands.wait(1.0)
    clock.now()
    hands.wall += 3_600.0
    hands.wait(1.0)
    assert clock.now() == pytest.approx(before + 2.0)
    assert not clock.jumped


@pytest.mark.parametrize(("step", "told"), [(JUMP / 2, False), (JUMP * 2, True), (86_400.0, True)])
def test_a_step_forward_is_followed(hands: Hands, clock: Clock, step: float, told: bool) -> None:
    """And told, if it is more than the clocks of a computer drift apart."""
    before = clock.now()
    hands.wall += step
    assert clock.now() == pytest.approx(before + step)
    assert clock.jumped is told
