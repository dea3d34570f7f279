"""What clients have been told, in the plainest form: of tasks, of holds, of wishes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from scheduler.domain.task import FINISHED, Status, Task

# What cannot differ between two looks at one revision of a task.
Told = tuple[Status, int, int, str]


def told(task: Task) -> Told:
    """The facts of a task that are compared."""
    return task.status, task.base_priority, task.attempt, task.agent_type


@dataclass(slots=True)
class Wish:
    """One task that a client asked for; its description tells it from all others.

    `unknown`: a try of it had an unknown outcome. `refused`: the last try was refused.
    """

    name: str
    key: str | None
    together: tuple[str, ...]  # the names of its batch
    number: int | None = None
    pending: int = 0  # calls under way
    unknown: bool = False
    refused: bool = False


@dataclass(slots=True)
class Hold:
    """A claim as its holder knows it. Ticks count what clients sent and heard; times are virtual.

    `doubts`: calls under way, or with an unknown outcome, that may have ended it.
    """

    token: str
    number: int
    holder: str
    length: float  # seconds
    revision: int
    sent_tick: int
    sent: float  # when the claim, or the last heartbeat, left the client
    heard: float  # when its answer came
    doubts: int = 0
    over: bool = False
    void: bool = False  # the file went back since: nothing is certain
    superseded: float = inf  # the tick at which a later claim of the task was heard of


@dataclass(slots=True)
class Known:
    """A task of which somebody has heard: at least `revision`, and if `facts` is there, exactly so.

    `heard`: the tick at which somebody heard so. `at`: when it was last heard of as unfinished.
    `completing`: calls that may have completed it.
    `meddling`: calls under way that may end its lease; `meddled`: the tick of the last answer.
    """

    number: int
    task: Task
    requires: set[int]
    follows: set[int]
    revision: int
    facts: Told | None
    heard: int
    at: float
    sent: int = 0  # the tick of the call that made it, if that is known
    hold: Hold | None = None
    completing: int = 0
    completed: bool = False
    meddling: int = 0
    meddled: int = 0
    retried: bool = False

    @property
    def finished(self) -> bool:
        """Whether it had finished when it was heard of last."""
        return self.facts is not None and self.facts[0] in FINISHED


@dataclass(slots=True)
class Op:
    """A call under way, with all that it puts in doubt."""

    tick: int
    at: float
    wishes: list[Wish] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    completing: list[Known] = field(default_factory=list)
    meddling: list[Known] = field(default_factory=list)
    sweeping: str | None = None  # the prefix of holders that are released
    lane: str | None = None  # that is paused or let on
    reopens: bool = False  # a retry with a cascade
    targets: tuple[int, ...] = ()  # numbers that it names
