"""Each check of the journals of a race finds what it looks for."""

from __future__ import annotations

from pathlib import Path

from torture.kills.file import Row
from torture.races import checker
from torture.races.agent import result_of
from torture.races.checker import Story
from torture.races.journal import Event, Journal, read

DONE = Row("t", None, "completed", result_of("k1"), None)


def claim(agent: str, token: str, at: float, task: str = "t1", **results: str) -> Event:
    """A claim for ten seconds, answered after a tenth of one."""
    return Event(agent, "claim", task, token, at, at + 0.1, "ok", 10.0, dict(results))


def told(
    agent: str, call: str, token: str, at: float, outcome: str = "ok", task: str = "t1"
) -> Event:
    return Event(agent, call, task, token, at, at + 0.1, outcome)


def overlaps(*events: Event, **died: float) -> list[str]:
    return list(checker.overlaps(checker.holds(Story(events, died))))


def test_what_follows_in_order_is_right() -> None:
    """A lease that ran out or was given up, or whose session died, is over."""
    assert overlaps(claim("a", "k1", 0), claim("b", "k2", 10.1)) == []
    assert overlaps(claim("a", "k1", 0), told("a", "release", "k1", 1), claim("b", "k2", 1)) == []
    assert overlaps(claim("a", "k1", 0), claim("b", "k2", 5), a=4.0) == []
    story = Story([claim("a", "k1", 0), told("a", "complete", "k1", 1)], {})
    assert list(checker.ends(story, {"t1": DONE})) == []
    assert list(checker.unfair(story, checker.holds(story))) == []
    assert list(checker.odd(story)) == []


def test_holds_that_overlap_are_found() -> None:
    """Also those that a heartbeat made longer."""
    assert len(overlaps(claim("a", "k1", 0), claim("b", "k2", 5))) == 1
    kept = told("a", "heartbeat", "k1", 9)
    assert len(overlaps(claim("a", "k1", 0), kept, claim("b", "k2", 15))) == 1
    assert overlaps(claim("a", "k1", 0), kept, claim("b", "k2", 19.1)) == []


def test_a_task_before_what_it_needs_is_found() -> None:
    """By time, and by the result that it comes with."""
    done = told("a", "complete", "k1", 5)
    late = claim("b", "k2", 6, "t2", t1=result_of("k1"))
    early = claim("b", "k2", 3, "t2", t1=result_of("k1"))
    without = claim("b", "k2", 6, "t2")
    needs = {"t2": ["t1"]}
    found = [
        list(checker.early(Story([claim("a", "k1", 0), done, last], {}), needs))
        for last in (late, early, without)
    ]
    assert list(map(len, found)) == [0, 1, 1]


def test_stale_tokens_that_are_accepted_are_found() -> None:
    """One that was replaced, whatever it is used for."""
    handed_on = [claim("a", "k1", 0), told("a", "release", "k1", 1), claim("b", "k2", 2)]
    refused = checker.stale(Story([*handed_on, told("a", "complete", "k1", 3, "lease_lost")], {}))
    assert (refused.refused, refused.accepted) == (1, [])
    accepted = checker.stale(Story([*handed_on, told("c", "heartbeat", "k1", 3)], {}))
    assert (accepted.refused, len(accepted.accepted)) == (0, 1)


def test_ends_that_do_not_agree_are_found() -> None:
    """Two ends, an end that is not on record, work on what is done, and a holder refused."""
    end = [claim("a", "k1", 0), told("a", "complete", "k1", 1)]
    again = [claim("b", "k2", 2), told("b", "complete", "k2", 3)]
    assert len(list(checker.ends(Story(end, {}), {}))) == 1
    assert len(list(checker.ends(Story([*end, again[0]], {}), {"t1": DONE}))) == 1
    assert len(list(checker.ends(Story([*end, *again], {}), {"t1": DONE}))) == 2
    story = Story([claim("a", "k1", 0), told("a", "complete", "k1", 1, "lease_lost")], {})
    assert len(list(checker.unfair(story, checker.holds(story)))) == 1
    assert len(list(checker.odd(Story([told("a", "release", "k1", 1, "internal_error")], {})))) == 1


def test_a_journal_is_read_up_to_where_its_writer_was_killed(tmp_path: Path) -> None:
    """The last line may be cut off."""
    path = tmp_path / "a.journal"
    Journal(path).write(claim("a", "k1", 0, t0="x"), told("a", "complete", "k1", 1))
    with path.open("a") as file:
        file.write('["a", "cl')
    assert [event.call for event in read([path])] == ["claim", "complete"]
