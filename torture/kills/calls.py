"""One call of an agent: what is put down before it is sent, and what its answer proves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torture.kills.ledger import Asked, Hold, Ledger
from torture.processes.conversation import Caller, ToolError

ENDS = {"task_complete": "completed", "task_fail": "failed", "task_cancel": "cancelled"}
TAKEN_AWAY = {"lease_lost", "already_finished"}
READS = {"task_get", "task_list", "task_queue_status", "task_claim"}  # a claim may find nothing
ALLOWED = {  # what may be answered instead, whatever else goes on
    "task_enqueue": {"prerequisite_failed"},
    "task_enqueue_many": {"prerequisite_failed"},
    "task_cancel": {"already_finished"},
    "task_complete": TAKEN_AWAY,
    "task_fail": TAKEN_AWAY,
    "task_release": TAKEN_AWAY,
    "task_heartbeat": TAKEN_AWAY,
}

Arguments = Mapping[str, Any]


class Held(NamedTuple):
    """A task in hand; the lease is in seconds."""

    task: str
    token: str
    lease: float
    attempt: int

    @property
    def claim(self) -> dict[str, Any]:
        return {"task_id": self.task, "lease_token": self.token}


class Before(NamedTuple):
    """What was certain when a call was about to be sent."""

    at: float  # monotonic seconds
    hold: Hold | None
    stale: bool  # its token was replaced by another
    first: bool  # nobody has sent this before


@dataclass
class Traffic:
    """What all agents did together."""

    answered: int = 0
    unknown: int = 0
    repeated: int = 0
    stale: int = 0  # calls with a token that somebody else's has replaced
    slowest: float = 0.0  # seconds, the longest call
    newest: float = 0.0  # when the newest call was sent that was answered (monotonic seconds)
    changed: float = 0.0  # the same, of calls that changed something
    refusals: int = 0  # for the disk
    trouble_until: float = 0.0  # calls that were sent before it may be refused for the disk
    draining: bool = False
    over: bool = False


class Calls:
    """Makes the calls of one agent, and puts down what is certain."""

    def __init__(self, ledger: Ledger, traffic: Traffic) -> None:
        self._ledger = ledger
        self._traffic = traffic

    async def make(self, caller: Caller, tool: str, arguments: Arguments) -> list[Held]:
        """The tasks that it claimed, if it is a claim. Raises SessionEndedError: unknown."""
        before = self._announce(tool, arguments)
        held: list[Held] = []
        try:
            answer = await caller.call(tool, **arguments)
        except ToolError as error:
            self._refused(tool, arguments, error, before)
        except RuntimeError as error:
            self._ledger.wrong.append(("P6", f"{tool} was answered with {error}"))
        else:
            held = self._answered(tool, arguments, answer, before)
            if tool not in READS:
                self._traffic.changed = max(self._traffic.changed, before.at)
        self._traffic.answered += 1
        self._traffic.slowest = max(self._traffic.slowest, time.monotonic() - before.at)
        self._traffic.newest = max(self._traffic.newest, before.at)
        return held

    # ------------------------------------------------------------- before

    def _announce(self, tool: str, arguments: Arguments) -> Before:
        """Put down what it may change; what is certain before it is sent."""
        ledger = self._ledger
        task, token = arguments.get("task_id", ""), arguments.get("lease_token")
        certain = ledger.certain(task)
        first = self._is_first(tool, arguments)
        match tool:
            case "task_enqueue":
                ledger.ask({arguments["description"]: _asked(arguments)})
            case "task_enqueue_many":
                tasks = arguments["tasks"]
                batch, size = tasks[0]["description"], len(tasks)
                ledger.ask({one["description"]: _asked(one, batch, size) for one in tasks})
            case "task_complete" | "task_fail" | "task_cancel":
                ledger.send(ENDS[tool], task, what_of(arguments), token)
            case "task_release":
                ledger.let_go(task, token)
        stale = token is not None and ledger.is_stale(task, token)
        self._traffic.stale += stale
        return Before(time.monotonic(), certain, stale, first)

    def _is_first(self, tool: str, arguments: Arguments) -> bool:
        if tool.startswith("task_enqueue"):
            return not any(name in self._ledger.asked for name in _names(arguments))
        sent = self._ledger.sent.get((arguments.get("task_id", ""), ENDS.get(tool, "")), ())
        return what_of(arguments) not in sent

    # ------------------------------------------------------------- afterwards

    def _refused(self, tool: str, arguments: Arguments, error: ToolError, before: Before) -> None:
        ledger, task = self._ledger, arguments.get("task_id", "")
        if error.code.startswith("store_") and before.at < self._traffic.trouble_until:
            self._store_failed(tool, arguments, error, before)
            return
        if error.code == "store_unavailable" and error.body.get("outcome") == "unknown":
            self._traffic.unknown += 1  # it met five owners that were killed
            return
        if error.code not in ALLOWED.get(tool, ()):
            promise = "P1" if error.code == "unknown_task" else "P7"
            ledger.wrong.append((promise, f"{tool} was answered with {error}"))
        if error.code == "prerequisite_failed":
            ledger.refuse(_names(arguments))
        if error.code in TAKEN_AWAY and tool != "task_cancel" and before.hold is not None:
            ours = before.hold.token == arguments["lease_token"]
            unwanted = (task, "cancelled") in ledger.sent or task in ledger.fallen
            if ours and not unwanted and time.monotonic() < before.hold.until:
                ledger.wrong.append(("P3", f"{tool} of {task}: {error} while its lease lasted"))

    def _store_failed(
        self, tool: str, arguments: Arguments, error: ToolError, before: Before
    ) -> None:
        """The disk fails: what is refused is not done, and the answer says how to mend it."""
        self._traffic.refusals += 1
        if not error.body.get("hint"):
            self._ledger.wrong.append(("P6", f"{tool}: {error}, without a hint"))
        if error.body.get("outcome") == "unknown":
            self._traffic.unknown += 1
        elif tool.startswith("task_enqueue") and before.first:
            self._ledger.refuse(_names(arguments))
        elif tool in ENDS and before.first:
            task = arguments["task_id"]
            self._ledger.sent[task, ENDS[tool]].discard(what_of(arguments))

    def _answered(
        self, tool: str, arguments: Arguments, answer: Arguments, before: Before
    ) -> list[Held]:
        ledger, task = self._ledger, arguments.get("task_id", "")
        if before.stale:
            ledger.wrong.append(("P3", f"{tool} of {task} was accepted with a stale token"))
        match tool:
            case "task_enqueue":
                ledger.acknowledge(arguments["description"], answer["task_id"])
            case "task_enqueue_many":
                for one in arguments["tasks"]:
                    ledger.acknowledge(one["description"], answer["task_ids"][one["ref"]])
            case "task_complete" | "task_cancel":
                ledger.end(ENDS[tool], task, what_of(arguments))
                ledger.fall(answer.get("cascaded_task_ids", ()))
            case "task_fail" if answer["status"] == "failed":
                ledger.end("failed", task, what_of(arguments))
                ledger.fall(answer["cascaded_task_ids"])
            case "task_heartbeat":
                ledger.keep(task, arguments["lease_token"], before.at)
            case "task_get":
                ledger.look(task, answer, before.at)
            case "task_claim":
                lease = arguments["lease_seconds"]
                for claim in answer["claims"]:
                    ledger.claim(claim, before.at, lease)
                return [_held(claim, lease) for claim in answer["claims"]]
        return []


def what_of(arguments: Arguments) -> Any:
    """What an end leaves on record: the result, the error or the reason."""
    names = ("result", "error", "reason")
    return next((arguments[name] for name in names if name in arguments), None)


def _names(arguments: Arguments) -> list[str]:
    return [one["description"] for one in arguments.get("tasks", [arguments])]


def _asked(task: Arguments, batch: str | None = None, size: int = 1) -> Asked:
    """Prerequisites by ref, inside a batch, are left to the check of the file."""
    needs = () if batch is not None else tuple(task.get("prerequisites", ()))
    return Asked(task.get("key"), needs, batch, size)


def _held(claim: Arguments, lease: float) -> Held:
    return Held(claim["task_id"], claim["lease_token"], lease, claim["task"]["attempt"])
