"""What the clients asked for and were told, and what the file must therefore hold.

A call whose server was killed has an unknown outcome: it may have been carried out or not. All
other facts are certain, and stay so over every kill.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torture.kills.file import File, Row

TOLERANCE = 0.05  # seconds between two clocks, and for an answer to be put down


@dataclass
class Asked:
    """One task that a client asked for; `needs` are ids."""

    key: str | None
    needs: tuple[str, ...]
    batch: str | None = None
    size: int = 1  # of the batch
    id: str | None = None  # once it was acknowledged
    refused: bool = False


@dataclass
class Hold:
    """A lease that is certain until `until` (monotonic seconds), unless the holder gives it up."""

    token: str
    lease: float  # seconds
    known: float  # since when (monotonic seconds)
    until: float


@dataclass
class Ledger:
    """See the module. Descriptions are unique, and name a task before it has an id."""

    asked: dict[str, Asked] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # id: description
    told: dict[str, tuple[str, Any]] = field(default_factory=dict)  # id: acknowledged end
    fallen: set[str] = field(default_factory=set)  # acknowledged to be cancelled with another
    told_at: dict[str, float] = field(default_factory=dict)  # id: monotonic seconds of either
    sent: dict[tuple[str, str], set[Any]] = field(default_factory=dict)  # (id, end): what was sent
    holds: dict[str, Hold] = field(default_factory=dict)
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)  # (id, known since)
    replaced: dict[str, float] = field(default_factory=dict)  # id: when its newest claim was sent
    wrong: list[tuple[str, str]] = field(default_factory=list)  # (promise, what)

    # ------------------------------------------------------------- what clients do and hear

    def ask(self, names: Mapping[str, Asked]) -> None:
        """These tasks are about to be asked for, in one call; perhaps once more."""
        self.asked.update({name: asked for name, asked in names.items() if name not in self.asked})

    def acknowledge(self, name: str, task: str) -> None:
        """The enqueue was answered with this id."""
        asked = self.asked[name]
        if asked.id not in (None, task):
            self.wrong.append(("P2", f"{name} is {asked.id}, and {task} when asked for again"))
        if self.names.get(task, name) != name:
            self.wrong.append(("P2", f"{task} is {self.names[task]}, and {name}"))
        asked.id = task
        self.names[task] = name

    def refuse(self, names: Iterable[str]) -> None:
        """The enqueue was refused: nothing of it may be there."""
        for name in names:
            self.asked[name].refused = True

    def send(self, end: str, task: str, what: Any, token: str | None = None) -> None:
        """A call that may end the task is about to be sent; without a token it needs none."""
        self.sent.setdefault((task, end), set()).add(what)
        self.let_go(task, token)

    def let_go(self, task: str, token: str | None) -> None:
        """Whoever has this token, or anybody, is about to give the lease up."""
        hold = self.holds.get(task)
        if hold is not None and token in (None, hold.token):
            del self.holds[task]

    def certain(self, task: str) -> Hold | None:
        """The lease that must be valid now, if there is one."""
        hold = self.holds.get(task)
        return hold if hold is not None and time.monotonic() < hold.until - TOLERANCE else None

    def is_stale(self, task: str, token: str) -> bool:
        """Whether the task was handed out with another token after this one was known."""
        _, known = self.tokens.get(token, (task, math.inf))
        return self.replaced.get(task, 0.0) > known

    def end(self, end: str, task: str, what: Any) -> None:
        """The call that ended the task was answered."""
        told = self.told.setdefault(task, (end, what))
        self.told_at.setdefault(task, time.monotonic())
        if told != (end, what):
            self.wrong.append(("P3", f"{task} ended as {told}, and as {(end, what)}"))

    def fall(self, tasks: Iterable[str]) -> None:
        """An answer said that these were cancelled with the task that ended."""
        for task in tasks:
            self.fallen.add(task)
            self.told_at.setdefault(task, time.monotonic())
            self.holds.pop(task, None)

    def claim(self, claim: Mapping[str, Any], sent_at: float, lease: float) -> None:
        """A claim was answered that was sent at this monotonic second."""
        task, token = claim["task_id"], claim["lease_token"]
        if self.told_at.get(task, sent_at) < sent_at:
            end, _ = self.told.get(task, ("cancelled", None))
            self.wrong.append(("P1", f"{task} was claimed after it was told to be {end}"))
        hold = self.certain(task)
        if hold is not None and hold.known < sent_at:
            left = hold.until - time.monotonic()
            self.wrong.append(("P3", f"{task} was claimed with {left:.3f} s left of a lease"))
        of, _ = self.tokens.setdefault(token, (task, time.monotonic()))
        if of != task:
            self.wrong.append(("P3", f"one token for {task} and {of}"))
        self.replaced[task] = max(sent_at, self.replaced.get(task, 0.0))
        self.holds[task] = Hold(token, lease, time.monotonic(), sent_at + lease)
        self._check_needs(task, claim.get("prerequisite_results", {}))

    def _check_needs(self, task: str, results: Mapping[str, Any]) -> None:
        asked = self.asked.get(self.names.get(task, ""))
        for need in () if asked is None else asked.needs:
            if results.get(need) not in self.sent.get((need, "completed"), ()):
                self.wrong.append(("P5", f"{task} was handed out before its {need} was done"))

    def keep(self, task: str, token: str, sent_at: float) -> None:
        """A heartbeat was answered that was sent at this monotonic second."""
        hold = self.holds.get(task)
        if hold is not None and hold.token == token:
            hold.until = max(hold.until, sent_at + hold.lease)

    def look(self, task: str, seen: Mapping[str, Any], sent_at: float) -> None:
        """A client that asked at this monotonic second was shown this task."""
        if task not in self.told or self.told_at[task] >= sent_at:
            return
        end, what = self.told[task]
        shown = seen["status"], seen["result"] if end == "completed" else seen["error"]
        if shown != (end, what):
            self.wrong.append(("P1", f"{task} was told to be {end} {what!r}, and shown as {shown}"))

    def forget_holds(self, tasks: Iterable[str]) -> None:
        """Their holder has given them up, or its server has gone: they may be taken back."""
        for task in tasks:
            self.holds.pop(task, None)

    # ------------------------------------------------------------- what the file must hold

    def check(self, file: File) -> None:
        """Compare everything that is certain with the file as it is now."""
        found: dict[str, list[Row]] = {}
        for row in file.rows.values():
            found.setdefault(row.name, []).append(row)
        self._complain("P1", self._lost(file.rows))
        self._complain("P2", self._made(found))
        self._complain("P2", self._half_batches(found))
        self._complain("P1", self._unasked_ends(file.rows))
        self._complain("P5", file.broken_order)

    def _complain(self, promise: str, sentences: Iterable[str]) -> None:
        known = {what for _, what in self.wrong}
        self.wrong += [(promise, what) for what in sentences if what not in known]

    def _lost(self, rows: Mapping[str, Row]) -> Iterable[str]:
        for task, name in self.names.items():
            if task not in rows:
                yield f"{task} ({name}) was acknowledged and is lost"
            elif rows[task].name != name:
                yield f"{task} was acknowledged as {name} and is {rows[task].name}"
        for task, (end, what) in self.told.items():
            row = rows.get(task)
            if row is not None and (row.status, row.what) != (end, what):
                yield f"{task} was acknowledged as {end} {what!r}, and is {row.status} {row.what!r}"
        for task in self.fallen & rows.keys():
            if rows[task].status != "cancelled":
                yield f"{task} was acknowledged as cancelled, and is {rows[task].status}"

    def _made(self, found: Mapping[str, Sequence[Row]]) -> Iterable[str]:
        for name, rows in found.items():
            asked = self.asked.get(name)
            if asked is None:
                yield f"{name} was never asked for"
            elif asked.refused:
                yield f"{name} was refused and is there"
            elif asked.key != rows[0].key:
                yield f"{name} has the key {rows[0].key} instead of {asked.key}"
            if len(rows) > 1:
                yield f"{name} is there {len(rows)} times"

    def _half_batches(self, found: Mapping[str, object]) -> Iterable[str]:
        there: dict[str, int] = {}
        size: dict[str, int] = {}
        for name, asked in self.asked.items():
            if asked.batch is not None:
                size[asked.batch] = asked.size
                there[asked.batch] = there.get(asked.batch, 0) + (name in found)
        for batch, count in there.items():
            if count not in (0, size[batch]):
                yield f"of the batch {batch} {count} of {size[batch]} tasks are there"

    def _unasked_ends(self, rows: Mapping[str, Row]) -> Iterable[str]:
        for task, row in rows.items():
            if row.cause is not None:
                cause = rows.get(row.cause)
                if cause is None or cause.status not in ("failed", "cancelled"):
                    yield f"{task} fell with {row.cause}, which did not fall"
            elif row.ended and row.what not in self.sent.get((task, row.status), ()):
                yield f"{task} is {row.status} {row.what!r}, which nobody asked for"
