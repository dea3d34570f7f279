"""Several handles on one file: every call, whoever owns it, and whatever becomes of the owner."""

from __future__ import annotations

import inspect
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from actors.commands import Enqueue
from actors.reply import Reply
from persistence.opening import prepare_file
from persistence.ownership import Ownership, last_owner
from scheduler import (
    AlreadyFinished,
    Ended,
    InvalidRequest,
    LeaseLost,
    Scheduler,
    SchedulerClosed,
    Status,
    StoreCorrupt,
    StoreLocked,
    StoreNewer,
    StoreUnavailable,
    Task,
    TaskSpec,
    UnknownTask,
    connect,
    open_scheduler,
    serve,
)
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked_all
from scheduler.domain.request_ids import make_request_id
from scheduler.sharing import seeker, wire
from scheduler.sharing.door import SharedDoor
from scheduler.sharing.link import Link
from scheduler.sharing.seeker import OwnerOptions

from .conftest import Start, new_link

ONCE = make_request_id(1_800_000_000.0, lambda bits: 1)


def owns(scheduler: Scheduler) -> bool:
    door = scheduler._door
    assert isinstance(door, SharedDoor)
    return door._system is not None


@asynccontextmanager
async def linked(path: Path) -> AsyncIterator[Link]:
    """A connection of its own to the owner."""
    link = new_link(await trio.open_unix_socket(f"{path}.sock"))
    assert await link.greet() is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        yield link
        nursery.cancel_scope.cancel()


class TestEveryCall:
    """What a handle does does not depend on where the actors are."""

    async def test_the_life_of_tasks(self, path: Path) -> None:
        """The same answers from the owner and through the socket."""
        async with connect(path) as owner, connect(path) as other:
            assert (owns(owner), owns(other)) == (True, False)
            told = [await _life_of_tasks(scheduler) for scheduler in (owner, other)]
            assert told[0] == told[1]

    async def test_revocations(self, path: Path) -> None:
        """A worker elsewhere hears at once that its task was cancelled."""
        async with connect(path) as owner, connect(path) as other:
            assert await other.revoked("w") == []
            task = await owner.enqueue("work")
            (claim,) = await other.claim("w")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(owner.cancel, task)
                with trio.fail_after(5):
                    assert await other.revoked("w", wait=60) == [(task.id, claim.token)]

    async def test_errors_keep_their_facts(self, path: Path) -> None:
        """Class, code, field and hint come through."""
        async with connect(path), connect(path) as other:
            with pytest.raises(UnknownTask) as unknown:
                await other.get("0000000000000")
            assert unknown.value.field == "task_id"
            task = await other.enqueue("work")
            with pytest.raises(LeaseLost):
                await other.heartbeat((task.id, "no token"))
            await other.cancel(task)
            with pytest.raises(AlreadyFinished):
                await other.cancel(task)

    async def test_a_feed_begins_now(self, path: Path) -> None:
        """Without a sequence, at the first look."""
        async with connect(path), connect(path) as other, trio.open_nursery() as nursery:
            await other.enqueue("before")
            feed = other.changes()
            seen: list[Task] = []

            async def look() -> None:
                seen.append((await anext(feed)).task)
                nursery.cancel_scope.cancel()

            nursery.start_soon(look)
            while not seen:
                await other.enqueue("after")
                await trio.sleep(0.01)
            assert seen[0].description == "after"

    async def test_what_is_too_large_is_refused_here(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The connection goes on."""
        monkeypatch.setattr("scheduler.sharing.framing.LARGEST", 10_000)
        async with connect(path), connect(path) as other:
            with pytest.raises(InvalidRequest) as refused:
                await other.enqueue("x" * 20_000)
            assert refused.value.code == "too_large"
            await other.enqueue("small")

    async def test_claims_too_large_to_be_sent_go_back(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The caller hears so, and asks for fewer."""
        async with connect(path) as owner, connect(path) as other:
            await owner.enqueue_many([TaskSpec("x" * 3_000) for _ in range(3)])
            monkeypatch.setattr("scheduler.sharing.framing.LARGEST", 10_000)
            with pytest.raises(InvalidRequest) as refused:
                await other.claim("w", limit=3)
            assert refused.value.code == "too_large"
            assert len(await other.claim("w", limit=2)) == 2

    async def test_a_cancelled_claim_goes_back(self, path: Path) -> None:
        """Whether it waits, or was granted while its caller went away."""
        async with connect(path) as owner, connect(path) as other:
            with trio.move_on_after(0.1):
                await other.claim("gone", wait=30)
            await owner.enqueue("work")
            (claim,) = await owner.claim("here", wait=10)
            await owner.release(claim)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(other.claim, "gone too")
                await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            (claim,) = await owner.claim("here", wait=10)
            assert claim.task.holder == "here"

    async def test_the_sources_are_the_owners(self, path: Path) -> None:
        """Their names are known to all who share the file."""
        async with connect(path, sources={"robot": 50.0}), connect(path) as other:
            assert (await other.enqueue("work", source="robot")).source == "robot"
            with pytest.raises(InvalidRequest, match="source"):
                await other.enqueue("work", source="human")


async def _life_of_tasks(scheduler: Scheduler) -> list[Any]:
    first = TaskSpec("first", agent_type="builder", base_priority=9, payload={"n": [1, 2.5, None]})
    made = await scheduler.enqueue_many([first, TaskSpec("second", prerequisites=[first])])
    one = await scheduler.enqueue("alone", agent_type="builder", deadline=None, group="g")
    told: list[Any] = [task.status for task in made]
    claim, *more = await scheduler.claim("w", ["builder"], limit=2, lease=60)
    told += [claim.task.description, claim.task.payload, len(more)]
    told += [
        await scheduler.claim("w", ["builder"]),
        (await scheduler.why_idle(["builder"])).reason,
    ]
    assert await scheduler.heartbeat(claim, progress=0.5, note="half") > claim.task.created_at
    told += [(await scheduler.get(made[0])).progress, (await scheduler.explain(made[1])).reason]
    ended = await scheduler.complete(claim, {"ok": True})
    told += [ended.task.result, ended.released == (made[1].id,)]
    told += [(await scheduler.fail(more[0], "no", retryable=False)).task.status]
    retried = await scheduler.retry(one)
    told += [[task.status for task in retried]]
    (claim,) = await scheduler.claim("w", ["general"])
    told += [claim.results == {made[0].id: {"ok": True}}]
    outcomes = await scheduler.complete_many([(claim, None), ((claim.task.id, "x"), None)])
    told += [isinstance(outcomes[0], Ended), type(outcomes[1])]
    last = await scheduler.enqueue("last", prerequisites=[one])
    told += [(await scheduler.update(last, base_priority=2)).base_priority]
    told += [len((await scheduler.add_prerequisites(last, run_after=[one])).run_after)]
    plan = await scheduler.execution_plan([one, last], workers=2)
    told += [plan.total_batches, plan.critical_path == (one.id, last.id)]
    told += [(await scheduler.details(one)).dependents[0].id == last.id]
    await scheduler.pause("builder")
    told += [(await scheduler.queue_status()).paused]
    await scheduler.resume("builder")
    told += [(await scheduler.cancel(one, "no more")).total_cancelled]
    page = await scheduler.list(status="cancelled", limit=1)
    told += [page.has_more, len((await scheduler.list(cursor=page.cursor)).tasks) > 0]
    told += [[task.status for task in await scheduler.wait([one, last], timeout=1)]]
    changes, _sequence = await scheduler.read_changes(0)
    told += [len(changes) >= 4]
    told += [await scheduler.release_holders("nobody")]
    await scheduler.flush()
    return told


class TestOwners:
    """They come and go, in order or not; nobody's call is lost."""

    async def test_a_hand_over(self, path: Path) -> None:
        """When the owner leaves, another takes over, and calls under way are answered."""
        leave = trio.Event()
        answers: list[Any] = []

        async def own(task_status: trio.TaskStatus[Scheduler]) -> None:
            async with connect(path) as scheduler:
                task_status.started(scheduler)
                await leave.wait()

        async def note(answer: Awaitable[Any]) -> None:
            answers.append(await answer)

        async with trio.open_nursery() as owning:
            owner = await owning.start(own)
            task = await owner.enqueue("work", agent_type="later")
            async with (
                connect(path) as other,
                connect(path) as third,
                trio.open_nursery() as nursery,
            ):
                (held,) = await other.claim("x", ["later"])
                nursery.start_soon(note, other.wait([task]))
                nursery.start_soon(note, third.claim("w", ["later"], wait=30))
                await trio.testing.wait_all_tasks_blocked(0.01)
                leave.set()
                await other.release(held)
                while not answers:
                    await trio.sleep(0.005)
                assert owns(other) != owns(third)
                ((claimed,),) = answers
                await third.complete(claimed)
                while len(answers) < 2:
                    await trio.sleep(0.005)
                assert [done.status for done in answers[1]] == [Status.COMPLETED]
                with pytest.raises(SchedulerClosed):
                    await owner.queue_status()

    async def test_an_owner_that_is_killed(self, path: Path, start: Start) -> None:
        """Calls that were sent to it are answered by whoever takes over, each once."""
        owner = start("connect")
        async with connect(path) as one, connect(path) as two:
            made: list[Task] = []

            async def enqueue(scheduler: Scheduler) -> None:
                for n in range(100):
                    task = await scheduler.enqueue(f"task {n}")
                    made.append(task)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(enqueue, one)
                nursery.start_soon(enqueue, two)
                while len(made) < 60:
                    await trio.sleep(0.001)
                owner.signal(signal.SIGKILL)
            assert len({task.id for task in made}) == 200
            assert (await two.queue_status()).total_tasks == 200
            assert sorted([owns(one), owns(two)]) == [False, True]

    async def test_a_change_that_is_sent_again_is_made_once(self, path: Path) -> None:
        """Even if the owner died after the commit and before the answer."""
        requests = checked_all([TaskSpec("x")], SOURCE_SCORES)
        async with connect(path) as owner, linked(path) as link:
            command = Enqueue(requests, Reply(ONCE))
            link.send(command)
            first = await command.reply.wait()
            again = Enqueue(requests, Reply(ONCE))
            link.send(again, again=True)
            second = await again.reply.wait()
            assert [task.id for task in first] == [task.id for task in second]
            odd = Enqueue(requests, Reply("no such id"))
            link.send(odd, again=True)
            with pytest.raises(InvalidRequest, match="request"):
                await odd.reply.wait()
            assert (await owner.queue_status()).total_tasks == 1

    async def test_a_frozen_owner(
        self, path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An error names it after a while; nothing is taken from it; it may go on."""
        monkeypatch.setattr("scheduler.sharing.link.LOOK_EVERY", 0.05)
        owner = start("connect")
        async with connect(path) as other:
            task = await other.enqueue("work")
            owner.signal(signal.SIGSTOP)
            with pytest.raises(StoreUnavailable, match=f"process {owner.pid}") as silent:
                await other.cancel(task)
            assert silent.value.outcome == "unknown"
            with pytest.raises(StoreUnavailable, match=f"process {owner.pid}"):
                await other.claim("w")
            owner.signal(signal.SIGCONT)
            assert (await other.get(task)).status in (Status.READY, Status.CANCELLED)
            assert not owns(other)

    async def test_a_long_call_is_no_silence(
        self, path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The owner answers pings while a claim waits."""
        monkeypatch.setattr("scheduler.sharing.link.LOOK_EVERY", 0.02)
        start("connect")
        async with connect(path) as other:
            assert await other.claim("w", wait=1.5) == []

    async def test_an_owner_that_does_not_serve(self, path: Path, start: Start) -> None:
        """An error says which process it is and how to let it share."""
        owner = start("alone")
        with pytest.raises(StoreLocked, match="does not share it") as locked:
            async with connect(path):
                pass
        assert locked.value.pid == owner.pid
        assert "serve" in (locked.value.hint or "")

    async def test_an_owner_that_just_does_not_say_where_it_serves(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has its second from when that is seen, however long the way was lost before."""
        monkeypatch.setattr(seeker, "UNSERVED", 0.3)
        prepare_file(str(path))
        owner = Ownership(str(path), f"{path}.nobody")

        async def leave() -> None:
            await trio.sleep(seeker.UNSERVED * 1.3)
            owner.announce(None)  # as between two words of the lock file, or at the end
            await trio.sleep(seeker.UNSERVED * 0.5)
            owner.release()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave)
            async with connect(path) as scheduler:
                assert owns(scheduler)

    async def test_starting_at_once(self, path: Path, start: Start) -> None:
        """The block starts before the file can be used; calls tell why they fail, until it can."""
        owner = start("alone")
        async with connect(path, start_at_once=True) as other:
            with pytest.raises(StoreLocked, match="does not share it"):
                await other.enqueue("work")
            owner.leave()
            while True:
                try:
                    await other.enqueue("work")
                    break
                except StoreLocked:
                    continue
            assert owns(other)

    async def test_an_embedded_scheduler_serves(self, path: Path) -> None:
        """`serve` lets others in; when the block ends they own the file by themselves."""
        async with open_scheduler(path) as scheduler:
            async with trio.open_nursery() as nursery:
                await nursery.start(serve, scheduler)
                async with connect(path) as other:
                    task = await other.enqueue("work")
                    assert (await scheduler.get(task)).id == task.id
                nursery.cancel_scope.cancel()
            assert not Path(f"{path}.sock").exists()
        async with connect(path) as other:
            assert (await other.get(task)).id == task.id

    async def test_what_cannot_be_served(self, path: Path) -> None:
        """A scheduler in memory, and one that is somewhere else."""
        async with open_scheduler() as scheduler:
            with pytest.raises(InvalidRequest, match="no file"):
                await serve(scheduler)
        async with connect(path), connect(path) as other:
            with pytest.raises(InvalidRequest, match="no file"):
                await serve(other)
        with pytest.raises(InvalidRequest, match="cannot be shared"):
            async with connect(":memory:"):
                pass


class TestTheSocket:
    """Where it is, and who may speak on it."""

    async def test_it_is_private_and_goes_with_its_owner(self, path: Path) -> None:
        """0600, beside the database, named in the lock file."""
        async with connect(path):
            facts = os.stat(f"{path}.sock")
            assert stat.S_ISSOCK(facts.st_mode)
            assert stat.S_IMODE(facts.st_mode) == 0o600
            assert last_owner(str(path)) == (os.getpid(), f"{path}.sock")
        assert not Path(f"{path}.sock").exists()

    async def test_a_path_too_long_for_a_socket(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The socket then lies in a private folder of the run-time directory."""
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
        (tmp_path / "r").mkdir()
        folder = tmp_path / ("d" * 120)
        folder.mkdir()
        async with connect(folder / "tasks.db"), connect(folder / "tasks.db") as other:
            await other.enqueue("work")
            owner = last_owner(str(folder / "tasks.db"))
            assert owner is not None
            assert owner.address is not None
            assert str(tmp_path) not in owner.address or len(owner.address) <= 100
            assert stat.S_IMODE(Path(owner.address).parent.stat().st_mode) == 0o700

    async def test_another_protocol_is_refused(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the mend."""
        async with connect(path):
            monkeypatch.setattr(wire, "PROTOCOL", wire.PROTOCOL + 1)
            link = new_link(await trio.open_unix_socket(f"{path}.sock"))
            link._framed.post(wire.encode(wire.Hello(wire.PROTOCOL - 2, "0.0.1")))
            with pytest.raises(StoreNewer, match="another protocol") as refused:
                await link.greet()
            assert "same version" in (refused.value.hint or "")
            await link._stream.aclose()

    @pytest.mark.parametrize(
        "garbage",
        [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x02{}", b"\xff" * 64, b"\0\0\0\x05ab", b""],
    )
    async def test_garbage_ends_only_its_connection(self, path: Path, garbage: bytes) -> None:
        """Others go on."""
        async with connect(path), connect(path) as other:
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(f"{path}.sock")
                stranger.sendall(garbage)
            async with linked(path) as link:
                link._framed.post(garbage)
                await trio.sleep(0.01)
            assert (await other.enqueue("work")).status is Status.READY

    async def test_a_read_only_folder(self, tmp_path: Path) -> None:
        """A clear error, and no socket."""
        if os.geteuid() == 0:
            pytest.skip("root writes everywhere")
        tmp_path.chmod(0o500)
        with pytest.raises(StoreUnavailable, match="read-only"):
            async with connect(tmp_path / "tasks.db"):
                pass
        tmp_path.chmod(0o700)


async def test_a_damaged_file(path: Path) -> None:
    """`connect` says so, and leaves nothing behind."""
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 10)
    with pytest.raises(StoreCorrupt):
        async with connect(path):
            pass
    assert not Path(f"{path}.sock").exists()


async def test_errors_in_the_block_leave_as_themselves(path: Path) -> None:
    """Not in a group, from the owner and from others."""
    async with connect(path):
        with pytest.raises(KeyError, match="mine"):
            async with connect(path):
                raise KeyError("mine")
    with pytest.raises(KeyError, match="mine"):
        async with connect(path):
            raise KeyError("mine")


def test_the_options_are_those_of_open_scheduler() -> None:
    """None is forgotten."""
    ours = set(OwnerOptions.__annotations__) | {"path", "durability", "store"}
    assert ours == set(inspect.signature(open_scheduler).parameters)
