"""What the journals of all agents prove about leases, order and ends."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import NamedTuple

from torture.kills.file import Row
from torture.races.agent import result_of
from torture.races.journal import Event

TOLERANCE = 0.02  # seconds between the clock of leases and the monotonic one
TAKEN_AWAY = {"lease_lost", "already_finished"}


class Hold(NamedTuple):
    """The time in which nobody else may have been given the task, in monotonic seconds."""

    task: str
    begin: float
    end: float  # it was given up, or the lease ran out
    lease_end: float  # the lease runs out, or the session died
    token: str
    agent: str


class Story:
    """All events, by token and by task; `died` says when the session of an agent's life ended."""

    def __init__(self, events: Iterable[Event], died: Mapping[str, float]) -> None:
        self.claims: dict[str, Event] = {}  # by token
        self.twice: list[str] = []  # tasks of which a token was given out again
        self.told: dict[str, list[Event]] = defaultdict(list)  # by token, answered or not
        self.of_task: dict[str, list[Event]] = defaultdict(list)  # claims
        self._died = died
        for event in events:
            if event.call == "claim":
                if event.token in self.claims:
                    self.twice.append(event.task)
                self.claims[event.token] = event
                self.of_task[event.task].append(event)
            else:
                self.told[event.token].append(event)
        for claims in self.of_task.values():
            claims.sort(key=lambda claim: claim.sent)

    def heard(self, call: str) -> Iterator[Event]:
        """All answered calls of this kind."""
        for events in self.told.values():
            yield from (one for one in events if one.call == call and one.heard is not None)

    def hold(self, claim: Event) -> Hold:
        """How long it certainly lasted."""
        assert claim.heard is not None
        lease_end, given_up = claim.sent + claim.lease, inf
        for event in sorted(self.told[claim.token], key=lambda one: one.sent):
            if event.call != "heartbeat":
                given_up = event.sent
                break
            if event.outcome == "ok" and event.sent < lease_end:
                lease_end = event.sent + claim.lease
        lease_end = min(lease_end - TOLERANCE, self._died.get(claim.agent, inf))
        end = min(lease_end, given_up)
        return Hold(claim.task, claim.heard, end, lease_end, claim.token, claim.agent)


def holds(story: Story) -> list[Hold]:
    """Those that lasted at all, by task and then in their order."""
    found = (story.hold(claim) for claim in story.claims.values())
    return sorted(hold for hold in found if hold.begin < hold.end)


def overlaps(holds: Sequence[Hold]) -> Iterator[str]:
    """P3: a task that two agents held at the same time."""
    last: Hold | None = None
    for hold in holds:
        if last is not None and last.task == hold.task and hold.begin < last.end:
            yield (
                f"{hold.task} was held by {last.agent} until {last.end:.3f}, "
                f"and by {hold.agent} from {hold.begin:.3f}"
            )
        if last is None or last.task != hold.task or hold.end > last.end:
            last = hold


def early(story: Story, needs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """P5: a task that was handed out before a prerequisite was done, or without its result."""
    first_done: dict[str, float] = {}
    for events in story.told.values():
        for event in events:
            if event.call == "complete":
                first_done[event.task] = min(event.sent, first_done.get(event.task, inf))
    for claim in story.claims.values():
        for need in needs.get(claim.task, ()):
            assert claim.heard is not None and claim.results is not None
            if claim.heard < first_done.get(need, inf):
                yield f"{claim.task} was handed out at {claim.heard:.3f}, before {need} was done"
            possible = {result_of(one.token) for one in story.of_task[need]}
            if claim.results.get(need) not in possible:
                yield f"{claim.task} came without the result of {need}"


class Stale(NamedTuple):
    """Calls with a token that another one had replaced for certain."""

    refused: int
    accepted: list[str]


def stale(story: Story) -> Stale:
    """P3: whether every such call was refused."""
    refused, accepted = 0, list[str]()
    for call in ("heartbeat", "complete", "release"):
        for event in story.heard(call):
            mine = story.claims.get(event.token)
            if mine is None or mine.heard is None:
                continue
            replaced = any(
                mine.heard < other.sent and other.heard is not None and other.heard < event.sent
                for other in story.of_task[event.task]
            )
            if replaced and event.outcome == "ok":
                accepted.append(f"{call} of {event.task} by {event.agent} with a stale token")
            refused += replaced and event.outcome != "ok"
    return Stale(refused, accepted)


def ends(story: Story, rows: Mapping[str, Row]) -> Iterator[str]:
    """P1 and P3: each task is done once, as it was acknowledged, and not handed out again."""
    accepted: dict[str, Event] = {}
    for event in story.heard("complete"):
        if event.outcome == "ok":
            other = accepted.setdefault(event.task, event)
            if other.token != event.token:
                yield f"{event.task} was completed by {other.agent} and by {event.agent}"
    for task, event in accepted.items():
        row = rows.get(task)
        if row is None or (row.status, row.what) != ("completed", result_of(event.token)):
            yield f"{task} was acknowledged as completed by {event.agent}, and is {row}"
        if any(event.heard is not None and event.heard < one.sent for one in story.of_task[task]):
            yield f"{task} was handed out after its completion was acknowledged"


def unfair(story: Story, holds: Iterable[Hold]) -> Iterator[str]:
    """P3: a call that was refused though its lease lasted for certain."""
    for hold in holds:
        for event in sorted(story.told[hold.token], key=lambda one: (one.sent, one.heard or inf)):
            if event.outcome in TAKEN_AWAY and (event.heard or inf) < hold.lease_end:
                yield f"{event.call} of {event.task} by {event.agent}: refused within its lease"
            if event.call != "heartbeat" and event.heard is not None:
                break


def odd(story: Story) -> Iterator[str]:
    """Answers that nobody should get."""
    codes = Counter[str]()
    for call in ("heartbeat", "complete", "release"):
        for event in story.heard(call):
            codes[event.outcome or ""] += event.outcome not in {"ok", *TAKEN_AWAY}
    yield from (
        f"{count} calls were answered with {code}" for code, count in codes.items() if count
    )
