"""Those who wait for work or for change, and those who have stopped waiting."""

from __future__ import annotations

from actors.commands import ClaimReady, ReadChanges, Wait
from actors.reply import Reply
from actors.waiting_claims import WaitingClaims
from actors.watching import Watching


def claim(*lanes: str) -> ClaimReady:
    return ClaimReady("w", lanes or None, 1, 60.0, 60.0, Reply())


def test_the_oldest_claim_of_a_lane_comes_first() -> None:
    """Whether it asked for this lane, for several, or for any."""
    waiting = WaitingClaims()
    both, any_, one = claim("a", "b"), claim(), claim("b")
    for each in (both, any_, one):
        waiting.add(each, 10.0)
    served = []
    while (oldest := waiting.oldest(["b"])) is not None:
        waiting.remove(oldest[0])
        served.append(oldest[1])
    assert served == [both, any_, one]


def test_claims_end_in_the_order_of_their_ends() -> None:
    """What was served does not end again."""
    waiting = WaitingClaims()
    late, soon, served = claim(), claim(), claim("x")
    waiting.add(late, 20.0)
    waiting.add(soon, 10.0)
    waiting.add(served, 5.0)
    oldest = waiting.oldest(["x"])
    assert oldest is not None
    waiting.remove(3)
    assert waiting.due() == 10.0
    assert waiting.take_ended(15.0) == [soon]
    assert waiting.take_ended(25.0) == [late]
    assert waiting.due() == float("inf")


def test_claims_of_callers_that_are_gone_do_not_pile_up() -> None:
    """A thousand cancelled waits leave a handful behind; the living one stays."""
    waiting = WaitingClaims()
    alive = claim("a")
    waiting.add(alive, 1e9)
    for _ in range(1_000):
        gone = claim("a", "b")
        gone.reply.abandoned = True
        waiting.add(gone, 1e9)
    assert len(waiting) < 200
    oldest = waiting.oldest(["a"])
    assert oldest is not None
    assert oldest[1] is alive


def test_watchers_that_are_gone_do_not_pile_up() -> None:
    """Neither waits for a task that never ends, nor readers of a silent feed."""
    watching = Watching()
    alive = Wait((7,), float("inf"), Reply())
    watching.wait(alive, [7], 0.0)
    for _ in range(1_000):
        wait = Wait((7,), float("inf"), Reply())
        reader = ReadChanges(None, 1, float("inf"), Reply())
        wait.reply.abandoned = reader.reply.abandoned = True
        watching.wait(wait, [7], 0.0)
        watching.read(reader, 0.0)
    assert len(watching.take_all()) < 200


def test_a_wait_is_complete_when_its_last_task_has_finished() -> None:
    """Not before, and once."""
    watching = Watching()
    wait = Wait((1, 2), float("inf"), Reply())
    watching.wait(wait, [1, 2], 0.0)
    assert watching.finished([1, 3]) == []
    assert watching.finished([2]) == [wait]
    assert watching.finished([1, 2]) == []
    assert not watching.waits
