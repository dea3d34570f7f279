"""The bugs: what each changes, which promise it breaks, and who should see it first.

A change is a file, a text that stands in it exactly once, and what stands there instead. Keep
the texts short: they have to follow the code.
"""

from __future__ import annotations

from typing import NamedTuple


class Change(NamedTuple):
    """One place of a bug."""

    file: str
    old: str
    new: str


class Bug(NamedTuple):
    """See the module. `promise`: of docs/reliability.md, or what else it breaks."""

    name: str
    promise: str
    what: str
    changes: tuple[Change, ...]
    seen_by: tuple[str, ...]  # what pytest is asked to run first


ACTORS, DOMAIN, STORE = "actors", "scheduler/domain", "persistence"
FLOWS = "tests/flows"

BUGS: tuple[Bug, ...] = (
    Bug(
        "ack before commit",
        "P1",
        "A change is answered when it is recorded, whatever the durability.",
        (Change(f"{ACTORS}/persister.py", 'durability != "accepted"', "durability is None"),),
        (f"{FLOWS}/test_store_trouble.py",),
    ),
    Bug(
        "a failed commit counts as saved",
        "P1",
        "Whoever waits for a commit that failed hears that all went well.",
        (
            Change(
                f"{ACTORS}/persister.py",
                "return self._write_failed(m.WriteFailed(batch, error), now)",
                "return self._written(m.Written(batch, 0.0), now)",
            ),
        ),
        (f"{FLOWS}/test_store_trouble.py",),
    ),
    Bug(
        "flush waits for nothing",
        "P1",
        "The barrier of accepted mode answers before anything is on the disk.",
        (
            Change(
                f"{ACTORS}/persister.py",
                "            case c.Flush():\n                self._write_soon(now)\n"
                "                self._waiting.append(Pending(message, now))",
                "            case c.Flush():\n                self._write_soon(now)\n"
                "                message.reply.answer(None)",
            ),
        ),
        (f"{FLOWS}/test_store_trouble.py",),
    ),
    Bug(
        "synced does not sync",
        "P1",
        "In synced mode a commit returns before the disk has it.",
        (Change(f"{STORE}/opening.py", 'if durability == "synced"', "if durability is None"),),
        (f"tests/{STORE}/test_files.py",),
    ),
    Bug(
        "a change in two transactions",
        "P1",
        "A crash in the middle of a large change leaves a part of it.",
        (
            Change(
                f"{STORE}/writing.py",
                "            )\n        yield\n",
                "            )\n        connection.execute(sql.COMMIT)\n"
                "        connection.execute(sql.BEGIN)\n        yield\n",
            ),
        ),
        (f"tests/{STORE}/test_store_contract.py", f"tests/{STORE}/test_files.py"),
    ),
    Bug(
        "a key makes two",
        "P2",
        "A key that is known is not looked up: the repeated call makes another task.",
        (
            Change(
                f"{ACTORS}/ingest.py",
                "known = None if request.key is None else found.get(request.key)",
                "known = None if request.key is None else found.get('')",
            ),
        ),
        (f"{FLOWS}/test_keys_and_feed.py",),
    ),
    Bug(
        "keys in flight are forgotten",
        "P2",
        "Two enqueues with one key at the same moment both make a task.",
        (Change(f"{ACTORS}/ingest.py", "if key in self._parked:", "if key in ():"),),
        (f"{FLOWS}/test_keys_and_feed.py",),
    ),
    Bug(
        "no receipts",
        "P2",
        "A change that is sent again after a crash of the owner is made a second time.",
        (
            Change(
                f"{ACTORS}/persister.py",
                "if answer.reply.request is not None:",
                "if answer.reply.request is answer:",
            ),
        ),
        (f"{FLOWS}/test_receipts.py",),
    ),
    Bug(
        "no fencing",
        "P3",
        "A token that is out of date still completes, fails and extends.",
        (Change(f"{ACTORS}/leasing.py", "or task.token != token or", "or"),),
        (f"{FLOWS}/test_life.py", f"{FLOWS}/test_bad_input.py"),
    ),
    Bug(
        "a late call with an expired token",
        "P3",
        "The token of a lease that ran out is remembered: who comes late hears of success.",
        (
            Change(
                f"{DOMAIN}/lifecycle.py",
                "task = replace(task, token=None)  # a late call with it must hear lease_lost",
                "task = replace(task)",
            ),
        ),
        (f"{FLOWS}/test_life.py", f"tests/{DOMAIN.split('/')[1]}/test_lifecycle.py"),
    ),
    Bug(
        "racy claim",
        "P3",
        "A task that is leased stays in the queue, and goes to the next worker too.",
        (
            Change(
                f"{ACTORS}/holdings.py",
                'now that it is leased."""\n        self.tasks[task.number] = task\n',
                'now that it is leased."""\n        self.tasks[task.number] = task\n'
                "        self.queue.add(_line_of(task), task.number, self._key(task))\n",
            ),
            Change(
                f"{DOMAIN}/lifecycle.py", "RUNNING: frozenset({", "RUNNING: frozenset({RUNNING, "
            ),
        ),
        (f"{FLOWS}/test_life.py", f"tests/{ACTORS}/test_interleavings.py"),
    ),
    Bug(
        "a claim told again to a stranger",
        "P3",
        "A claim that is asked for once more hears of a lease that another has by now.",
        (
            Change(
                f"{ACTORS}/receipts.py",
                "        and known[number].token == token\n",
                "        and (known[number].token == token or True)\n",
            ),
        ),
        (f"{FLOWS}/test_receipts.py",),
    ),
    Bug(
        "heartbeats do not extend",
        "P3",
        "A worker that says it lives loses its lease all the same.",
        (
            Change(
                f"{DOMAIN}/lifecycle.py",
                "        lease_s=seconds,\n        lease_expires_s=now + seconds,",
                "        lease_s=seconds,\n        lease_expires_s=task.lease_expires_s,",
            ),
        ),
        (f"{FLOWS}/test_life.py",),
    ),
    Bug(
        "a backward clock is followed",
        "P10",
        "A step back of the clock makes leases live longer, and time run twice.",
        (Change(f"{ACTORS}/clock.py", "if now < self._last:", "if now < -1.0:"),),
        (f"{FLOWS}/test_clock_steps.py", f"tests/{ACTORS}/test_clock.py"),
    ),
    Bug(
        "no rescue",
        "P4",
        "A task whose worker died stays running for ever.",
        (Change(f"{ACTORS}/holdings.py", "return task.lease_expires_s", "return 1e18"),),
        (f"{FLOWS}/test_life.py",),
    ),
    Bug(
        "lost wake-up",
        "P4",
        "A claim that waits does not hear of a task that becomes ready.",
        (
            Change(
                f"{ACTORS}/holdings.py",
                "            self.fresh.add(task.agent_type)\n",
                "            pass\n",
            ),
        ),
        (f"{FLOWS}/test_life.py", f"tests/{ACTORS}/test_waiting.py"),
    ),
    Bug(
        "a claim that nobody hears is kept",
        "P4",
        "What was leased to a caller who has gone is not given back.",
        (
            Change(
                f"{ACTORS}/answers.py",
                "if not what.reply.answer(reading.claims(what.tasks)):",
                "if what.reply.answer(reading.claims(what.tasks)) is None:",
            ),
        ),
        (f"{FLOWS}/test_store_trouble.py",),
    ),
    Bug(
        "attempts are not counted",
        "P4",
        "A task that kills its workers is handed out for ever.",
        (
            Change(
                f"{DOMAIN}/lifecycle.py",
                "        attempt=task.attempt + 1,\n",
                "        attempt=max(task.attempt, 1),\n",
            ),
        ),
        (f"{FLOWS}/test_life.py",),
    ),
    Bug(
        "recovery forgets the grace",
        "P4",
        "After a restart leases end at once, before their holders could be heard.",
        (
            Change(
                f"{ACTORS}/prioritizer.py",
                "        self.leasing.give_grace(now)\n        moved = ",
                "        moved = ",
            ),
        ),
        (f"{FLOWS}/test_restart.py",),
    ),
    Bug(
        "recovery hands out what runs",
        "P3",
        "After a restart tasks that are held by workers are ready again.",
        (
            Change(
                f"{ACTORS}/reopening.py",
                "        derived = _derive(dependencies, task, now)\n",
                "        derived = _derive(dependencies, task, now)\n"
                "        if derived.status is Status.RUNNING:\n"
                "            derived = lifecycle.interrupt(derived)\n",
            ),
        ),
        (f"{FLOWS}/test_restart.py",),
    ),
    Bug(
        "released one too early",
        "P5",
        "A task starts when all but one of its prerequisites are done.",
        (
            Change(
                f"{DOMAIN}/graph.py",
                "    if not dependent.waiting:\n",
                "    if dependent.waiting == 1:\n",
            ),
        ),
        ("tests/domain/test_graph.py", f"{FLOWS}/test_dependencies.py"),
    ),
    Bug(
        "released twice",
        "P5",
        "A dependent of two tasks that end together is handed over twice.",
        (
            Change(
                f"{DOMAIN}/graph.py",
                "        released.append(dependent)\n\n\ndef _ascending",
                "        released += [dependent, dependent]\n\n\ndef _ascending",
            ),
        ),
        ("tests/domain/test_graph.py", f"{FLOWS}/test_dependencies.py"),
    ),
    Bug(
        "an ignored prerequisite",
        "P5",
        "The last of the prerequisites of a task is not waited for.",
        (
            Change(
                f"{DOMAIN}/graph.py",
                "for number in task.requires:",
                "for number in task.requires[:1]:",
            ),
        ),
        ("tests/domain/test_graph.py", f"{FLOWS}/test_dependencies.py"),
    ),
    Bug(
        "followers fall",
        "P5",
        "A failure also cancels what only had to wait for its end.",
        (
            Change(
                f"{DOMAIN}/graph.py",
                "            if node.number in dependent.lenient:\n                _meet",
                "            if node.number in ():\n                _meet",
            ),
        ),
        ("tests/domain/test_graph.py", f"{FLOWS}/test_dependencies.py"),
    ),
    Bug(
        "a retry forgets other failures",
        "P5",
        "What fell with a task comes back, though another failure still holds it down.",
        (
            Change(
                f"{ACTORS}/reopening.py",
                " or _obstacle(task, dependencies, dead) is not None:",
                ":",
            ),
        ),
        (f"{FLOWS}/test_dependencies.py",),
    ),
    Bug(
        "a store that fails is given up",
        "P6",
        "What a failed commit held is not written again.",
        (
            Change(
                f"{ACTORS}/persister.py",
                "        message.batch.absorb(self._unsaved)\n"
                "        self._unsaved, self._in_flight = message.batch, None",
                "        self._in_flight = None",
            ),
        ),
        (f"{FLOWS}/test_store_trouble.py",),
    ),
    Bug(
        "the gate never opens again",
        "P6",
        "After a moment with too much unsaved no enqueue and no claim passes.",
        (Change(f"{ACTORS}/gate.py", "unsaved <= self._high // 2", "unsaved < 0"),),
        (f"tests/{ACTORS}/test_gate.py",),
    ),
    Bug(
        "damage goes unproved",
        "P6",
        "Rows of a damaged file reach the actors as they are.",
        (
            Change(
                f"{STORE}/columns.py",
                "yield from msgspec.convert((part,), self._rows).rows",
                "yield from part",
            ),
        ),
        (f"tests/{STORE}/test_damage.py",),
    ),
    Bug(
        "the log is never tidied up",
        "P6",
        "No checkpoint is made: the write-ahead log grows without end.",
        (
            Change(
                f"{ACTORS}/persister.py", "CHECKPOINT_PAGES = 2_000", "CHECKPOINT_PAGES = 2_000_000"
            ),
        ),
        (f"{FLOWS}/test_restart.py",),
    ),
    Bug(
        "nobody locks the file",
        "P7",
        "Two processes own one file at the same time.",
        (
            Change(
                f"{STORE}/ownership.py",
                "            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
                "",
            ),
        ),
        (f"tests/{STORE}/test_ownership.py",),
    ),
    Bug(
        "an owner that was replaced goes on",
        "P7",
        "A process whose file was taken over writes to it all the same.",
        (
            Change(
                f"{STORE}/writing.py",
                "if connection.execute(sql.OWNER_EPOCH).fetchone() != (epoch,):",
                "if connection.execute(sql.OWNER_EPOCH).fetchone() == ():",
            ),
        ),
        (f"tests/{STORE}/test_ownership.py",),
    ),
    Bug(
        "urgency that is inherited moves nothing",
        "order",
        "A waiting task keeps its old place in the queue when its score changes.",
        (
            Change(
                f"{ACTORS}/holdings.py",
                "            self.queue.rekey(number, self._key(scored))\n",
                "",
            ),
        ),
        (f"{FLOWS}", f"tests/{ACTORS}"),
    ),
    Bug(
        "an update keeps the old score",
        "order",
        "A higher priority, set later, does not bring a task forward.",
        (
            Change(
                f"{ACTORS}/prioritizer.py",
                "        handed = [self.holdings.score(entry, now) for entry in message.handed]\n"
                "        kept = [",
                "        handed = [\n"
                "            entry.task if message.nature == 'rewritten' else "
                "self.holdings.score(entry, now)\n"
                "            for entry in message.handed\n        ]\n        kept = [",
            ),
        ),
        (f"{FLOWS}", f"tests/{ACTORS}"),
    ),
    Bug(
        "a deadline is looked at once",
        "order",
        "After its first change the score of a task with a deadline rises no more.",
        (
            Change(
                f"{ACTORS}/holdings.py",
                "self._watch_deadline(scored, facts, now)",
                "self.facts[number] = facts",
            ),
        ),
        (f"{FLOWS}", f"tests/{ACTORS}"),
    ),
    Bug(
        "a limit leaks slots",
        "limits",
        "An attempt that ended still counts against the limit.",
        (Change(f"{DOMAIN}/limits.py", "            live.discard(task.number)\n", ""),),
        (f"{FLOWS}/test_limits.py",),
    ),
    Bug(
        "a paused lane hands out",
        "limits",
        "Tasks of a lane that was paused can be claimed.",
        (Change(f"{ACTORS}/leasing.py", "lane not in paused and ", ""),),
        (f"{FLOWS}/test_pausing.py",),
    ),
    Bug(
        "counters wrong after pruning",
        "counts",
        "Tasks that were forgotten are still counted.",
        (
            Change(
                f"{ACTORS}/records.py",
                "            self.counts[status] -= count\n            self._fin",
                "            self._fin",
            ),
        ),
        (f"{FLOWS}/test_restart.py", f"{FLOWS}/test_life.py"),
    ),
    Bug(
        "the feed skips one",
        "feed",
        "A reader that goes on from a sequence misses the first change after it.",
        (
            Change(
                f"{ACTORS}/reading.py",
                "return self._store.changes(since, limit)",
                "return self._store.changes(since + bool(since), limit)",
            ),
        ),
        (f"{FLOWS}/test_keys_and_feed.py",),
    ),
    Bug(
        "a part of the token is enough",
        "security",
        "HTTP compares as much of the token as is presented.",
        (
            Change(
                "scheduler/endpoint/http/tokens.py",
                "return hmac.compare_digest(presented, self._read())",
                "return hmac.compare_digest(presented, self._read()[: len(presented)])",
            ),
        ),
        ("tests/endpoint/test_tokens.py", "tests/endpoint/test_http_table.py"),
    ),
    Bug(
        "an Origin that begins right",
        "security",
        "A page whose address begins as an allowed one is let in.",
        (
            Change(
                "scheduler/endpoint/http/refusals.py",
                "len(origins) == 1 and origins[0] in self._origins",
                "origins and origins[0].startswith(tuple(self._origins) or b'-')",
            ),
        ),
        ("tests/endpoint/test_http_table.py",),
    ),
    Bug(
        "an error repeats hostile text",
        "security",
        "What a caller sent stands in the words of the error, to be read by an agent.",
        (
            Change(
                "scheduler/endpoint/toolkit/fields.py",
                '        f"{field} is not {allowed}",\n',
                '        f"{field} is not {allowed}: {value}",\n',
            ),
        ),
        ("tests/torture/test_fuzz.py", "tests/endpoint/test_tools_errors.py"),
    ),
)
