"""Whatever the order in which the loops run, the actors agree in the end."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors import commands as c
from actors.messages import To
from actors.reply import Reply
from scheduler.domain.errors import SchedulerError
from scheduler.domain.limits import Limit, LimitKind
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked_all
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import Task
from scheduler.domain.views import Claim

from .mailroom import Mailroom

ACTIONS = (
    "enqueue",
    "enqueue_with_key",
    "claim",
    "complete",
    "fail",
    "give_up",
    "release",
    "heartbeat",
    "cancel",
    "retry",
    "update",
    "add_prerequisites",
    "flush",
    "limit",
    "limit",
    "claim",
    "pause",
    "drain",
    "resume",
    "move",
    "revoked",
)

LANES = ("general", "builder")
KEYS = (None, "k", "other")

do = st.tuples(st.just("do"), st.sampled_from(ACTIONS), st.integers(0, 2**16))
deliver = st.tuples(st.just("deliver"), st.sampled_from(list(To)), st.integers(1, 4))
settle = st.tuples(st.just("settle"), st.none(), st.just(0))
wait = st.tuples(st.just("wait"), st.none(), st.integers(1, 200))
steps = st.lists(st.one_of(do, do, deliver, deliver, settle, wait), min_size=40, max_size=150)


class Clients:
    """Clients that act on what they have been told so far, and remember it."""

    def __init__(self, room: Mailroom) -> None:
        self.room = room
        self.replies: list[Reply[Any]] = []
        self.tasks: list[Task] = []
        self.claims: list[Claim] = []

    def act(self, action: str, choice: int) -> None:
        """Send one command, chosen by a number."""
        self._listen()
        command = self._command(action, choice)
        if command is not None:
            self.replies.append(self.room.send(command))

    def _listen(self) -> None:
        for reply in [reply for reply in self.replies if reply.answered]:
            self.replies.remove(reply)
            for heard in _heard(reply):
                (self.claims if isinstance(heard, Claim) else self.tasks).append(heard)

    def _command(self, action: str, choice: int) -> Any:
        task = self.tasks[choice % len(self.tasks)] if self.tasks else None
        other = self.tasks[choice // 7 % len(self.tasks)] if self.tasks else None
        claim = self.claims[choice % len(self.claims)] if self.claims else None
        match action:
            case "enqueue" | "enqueue_with_key":
                key = f"key {choice % 3}" if action == "enqueue_with_key" else None
                specs = _specs(task, other, key, choice)
                return c.Enqueue(checked_all(specs, SOURCE_SCORES), Reply())
            case "claim":
                return c.ClaimReady("w", None, 1 + choice % 3, 100.0, choice % 2 * 50.0, Reply())
            case "flush":
                return c.Flush(Reply())
            case "limit":
                return c.SetLimit(_limit(choice), Reply())
            case "pause" | "resume":
                return c.SetPaused(LANES[choice % 2], action == "pause", Reply())
            case "drain":
                return c.Drain(LANES[choice % 2], Reply())
            case "revoked":
                return c.AwaitRevoked("w", choice % 2 * 50.0, Reply())
        if claim is not None:
            verb: Any = {"give_up": "fail"}.get(action, action)
            finish = c.Finish(verb, claim.task.number, claim.token, error="boom")
            match action:
                case "complete":
                    return c.Complete((finish,), Reply())
                case "fail" | "give_up":
                    return c.Fail(finish, action == "fail", None, Reply())
                case "release":
                    return c.Release(finish, Reply())
                case "heartbeat":
                    return c.Heartbeat(finish.number, finish.token, None, 0.5, None, Reply())
        if task is not None and other is not None:
            match action:
                case "cancel":
                    return c.Cancel(task.number, None, choice % 5 == 0, Reply())
                case "retry":
                    return c.Retry(task.number, choice % 2 == 0, Reply())
                case "update":
                    return c.Update(task.number, {"base_priority": choice % 11}, Reply())
                case "move":
                    changes = {"agent_type": LANES[choice % 2], "limit_key": KEYS[choice % 3]}
                    return c.Update(task.number, changes, Reply())
                case "add_prerequisites":
                    return c.AddPrerequisites(task.number, (other.number,), (), Reply())
        return None


def _limit(choice: int) -> Limit:
    """Of an agent type or a limit key: so many at once, so many in a time, or lifted."""
    scope: tuple[LimitKind, str] = ("agent_type", "general") if choice % 2 else ("limit_key", "k")
    match choice // 2 % 4:
        case 0:
            return Limit(*scope)
        case 1:
            return Limit(*scope, starts=1 + choice % 3, per=40.0)
        case _:
            return Limit(*scope, concurrency=1 + choice % 3)


def _specs(
    task: Task | None, other: Task | None, key: str | None, choice: int
) -> tuple[TaskSpec, ...]:
    first = TaskSpec(
        "first",
        agent_type=LANES[choice % 2],
        limit_key=KEYS[choice % 3],
        group=KEYS[choice // 3 % 3],
        key=key,
        prerequisites=[task] if task and choice % 2 else [],
        run_after=[other] if other and choice % 3 == 0 else [],
        max_attempts=1 + choice % 2,
    )
    return (first, TaskSpec("second", prerequisites=[first])) if choice % 4 == 0 else (first,)


def _heard(reply: Reply[Any]) -> list[Any]:
    """The tasks and claims that an answer holds; a refusal holds none."""
    try:
        reply.wait().send(None)
    except StopIteration as told:
        return (
            [x for x in told.value if isinstance(x, Task | Claim)]
            if isinstance(told.value, list)
            else []
        )
    except SchedulerError:
        return []
    raise AssertionError("an answered reply must not wait")


@given(steps, st.integers(0, 2**32), st.booleans())
@settings(max_examples=200, deadline=None)
def test_actors_agree_whatever_the_order_of_delivery(
    script: list[tuple[str, Any, int]], seed: int, slow_disk: bool
) -> None:
    """Each task has one holder; revisions reach the record in order; every call is answered."""
    room = Mailroom(seed, slow_disk=slow_disk)
    clients = Clients(room)
    for choice in (4, 1, 2):
        clients.act("enqueue", choice)
        room.settle()
    for kind, what, number in script:
        if kind == "do":
            clients.act(what, number)
        elif kind == "deliver":
            room.deliver(what, number)
        elif kind == "settle":
            room.settle()
            room.check()
        else:
            room.now += number
    room.settle()
    room.check()
    room.now += 10_000
    room.settle()
    room.check()
    assert [reply for reply in clients.replies if not reply.answered] == []
