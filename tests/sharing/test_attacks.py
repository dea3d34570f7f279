"""Handles that share a file, under attack: what must hold whoever leaves, dies or misbehaves."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from actors import commands as c
from actors.reply import Reply
from persistence.ownership import last_owner
from scheduler import Scheduler, StoreUnavailable, TaskSpec, connect, open_scheduler, serve
from scheduler.cli import session
from scheduler.domain.errors import SchedulerError
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked_all
from scheduler.domain.request_ids import make_request_id
from scheduler.domain.task import Status
from scheduler.sharing import seeker, wire
from scheduler.sharing.door import SharedDoor
from scheduler.sharing.link import Link

from .conftest import Start, new_link


def _gone(pid: int) -> bool:
    done, _status = os.waitpid(pid, os.WNOHANG)
    return done == pid


def link_of(scheduler: Scheduler) -> Link:
    door = scheduler._door
    assert isinstance(door, SharedDoor)
    assert isinstance(door._way, Link)
    return door._way


async def linked(path: Path, nursery: trio.Nursery) -> Link:
    link = new_link(await trio.open_unix_socket(f"{path}.sock"))
    assert await link.greet() is not None
    nursery.start_soon(link.run)
    return link


class TestLeaving:
    """Whoever leaves in order leaves nothing behind."""

    async def test_what_was_accepted_is_saved(self, path: Path) -> None:
        """`accepted` may lose what a crash cuts off, not what an orderly end does."""
        async with connect(path, durability="accepted") as owner:
            for n in range(400):
                await owner.enqueue(f"task {n}")
        async with open_scheduler(path) as reader:
            assert (await reader.queue_status()).total_tasks == 400

    async def test_heartbeats_are_saved(self, path: Path) -> None:
        """They are written within a second, or at the end."""
        async with connect(path) as owner:
            task = await owner.enqueue("work")
            (claim,) = await owner.claim("w")
            await owner.heartbeat(claim, progress=0.5)
        async with open_scheduler(path) as reader:
            assert (await reader.get(task)).progress == 0.5

    async def test_a_cancelled_scheduler_saves_all_the_same(self, path: Path) -> None:
        """So it is without sharing."""
        with trio.CancelScope() as scope:
            async with open_scheduler(path, durability="accepted") as scheduler:
                await scheduler.enqueue("work")
                scope.cancel()
                await trio.sleep_forever()
        async with open_scheduler(path) as reader:
            assert (await reader.queue_status()).total_tasks == 1

    async def test_cancelled_claims_go_back(self, path: Path, start: Start) -> None:
        """Also if the process whose claim was cancelled leaves in the same moment."""
        start("connect")
        async with connect(path) as other:
            for n in range(60):
                await other.enqueue("work")
                heard: list[object] = []
                async with connect(path) as leaving, trio.open_nursery() as nursery:

                    async def claim(by: Scheduler = leaving, to: list[object] = heard) -> None:
                        to += await by.claim("gone", lease=3_600)

                    nursery.start_soon(claim)
                    with trio.move_on_after(n % 20 * 0.0002):
                        await trio.sleep_forever()
                    nursery.cancel_scope.cancel()
                await trio.sleep(0.02)
                assert len((await other.queue_status()).leases) == len(heard)
                await other.release_holders("gone")


class TestTheCommandLine:
    """It says what is true."""

    def test_saved_means_saved(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A change that the disk refuses is not reported as saved."""
        monkeypatch.setattr("actors.persister.PATIENCE", 0.3)
        monkeypatch.setattr("actors.patience.PATIENCE", 0.3)
        monkeypatch.setattr(session, "FOR_PEOPLE", 0.3)
        with sqlite3.connect(path, isolation_level=None) as shell:

            async def enqueue(scheduler: Scheduler) -> None:
                shell.execute("BEGIN IMMEDIATE")
                await scheduler.enqueue("work")

            with pytest.raises(StoreUnavailable) as told:
                session.ask(str(path), enqueue, create=True)
            shell.execute("ROLLBACK")
            (tasks,) = shell.execute("SELECT count(*) FROM tasks").fetchone()
        shell.close()
        assert (told.value.outcome == "saved") == bool(tasks)


class TestTakeOver:
    """What callers hear when it does not go smoothly."""

    async def test_what_may_have_been_made_is_not_refused(
        self, path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The old owner committed and died; the file cannot be opened: the outcome is unknown."""
        monkeypatch.setattr(seeker, "PATIENCE", 0.5)
        owner = start("connect")
        told: list[StoreUnavailable] = []

        def full(*_: object, **__: object) -> None:
            raise StoreUnavailable("the disk is full")

        async def enqueue(scheduler: Scheduler) -> None:
            try:
                await scheduler.enqueue("once")
            except StoreUnavailable as error:
                told.append(error)

        async with connect(path) as other:
            await other.queue_status()
            with monkeypatch.context() as patch:
                patch.setattr(Link, "_received", lambda *_: None)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(enqueue, other)
                    await trio.sleep(0.2)
                    patch.setattr(seeker, "open_sqlite", full)
                    owner.end()
            assert [error.outcome for error in told] == ["unknown"]

    async def test_a_claim_given_up_meanwhile_goes_back(
        self, path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Granted by the old owner, which died; its caller was cancelled before the next came."""
        owner = start("connect")
        async with connect(path) as other:
            await other.enqueue("work")
            with monkeypatch.context() as patch:
                patch.setattr(Link, "_received", lambda *_: None)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(other.claim, "gone")
                    await trio.sleep(0.2)
                    owner.end()
                    nursery.cancel_scope.cancel()
            with trio.fail_after(10):
                while (await other.queue_status()).counts[Status.RUNNING]:
                    await trio.sleep(0.01)

    async def test_once_on_an_owner_that_lives(self, path: Path) -> None:
        """The change is sent again while it is still under way."""
        async with connect(path) as owner, trio.open_nursery() as nursery:
            done = await owner.enqueue("done")
            (claim,) = await owner.claim("w")
            await owner.complete(claim)
            specs = checked_all([TaskSpec("once", prerequisites=[done])], SOURCE_SCORES)
            request = make_request_id(1_800_000_000.0, lambda bits: 1)
            link = await linked(path, nursery)
            link.send(c.Enqueue(specs, Reply(request)))
            again = c.Enqueue(specs, Reply(request))
            link.send(again, again=True)
            await again.reply.wait()
            await owner.flush()
            assert (await owner.queue_status()).total_tasks == 2
            nursery.cancel_scope.cancel()

    async def test_an_owner_with_a_forked_child(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The lock is free when the owner is killed, whatever its children hold open."""
        monkeypatch.setattr("scheduler.sharing.link.LOOK_EVERY", 0.05)
        owner = _start_forking(path)
        assert owner.stdout is not None
        assert owner.stdin is not None
        child = 0
        try:
            async with connect(path) as other:
                await other.enqueue("work")
                owner.stdin.write("fork\n")
                owner.stdin.flush()
                child = int(owner.stdout.readline())
                owner.kill()
                owner.wait()
                taken = False
                with trio.move_on_after(3):
                    while not taken:
                        with suppress(StoreUnavailable):
                            taken = bool(await other.enqueue("more"))
                assert taken
        finally:
            owner.kill()
            owner.wait()
            owner.stdin.close()
            owner.stdout.close()
            if child:
                os.kill(child, signal.SIGKILL)


def _start_forking(path: Path) -> subprocess.Popen[str]:
    owner = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKING, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "open\n"
    return owner


FORKING = """
import os, signal, sys, time, trio
from scheduler import open_scheduler, serve
async def main():
    async with open_scheduler(sys.argv[1]) as scheduler, trio.open_nursery() as nursery:
        await nursery.start(serve, scheduler)
        print("open", flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        child = os.fork()
        if child == 0:
            time.sleep(20)
            os._exit(0)
        print(child, flush=True)
        await trio.sleep_forever()
trio.run(main)
"""


class TestFiles:
    """The lock, the socket and the database under other names."""

    async def test_an_old_owner_leaves_the_socket_of_the_new(
        self, path: Path, start: Start
    ) -> None:
        """Somebody deleted the lock file: the old owner ends without harm."""
        old = start("connect")
        Path(f"{path}.lock").unlink()
        async with connect(path):
            old.leave()
            while not _gone(old.pid):
                await trio.sleep(0.02)
            assert Path(f"{path}.sock").exists()

    async def test_a_socket_that_somebody_deleted(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The owner listens anew."""
        monkeypatch.setattr("scheduler.sharing.serving.LOOK_EVERY", 0.02)
        async with connect(path), connect(path) as guest:
            Path(f"{path}.sock").unlink()
            async with connect(path) as newcomer:
                task = await newcomer.enqueue("work")
            assert (await guest.get(task)).id == task.id

    async def test_a_database_that_somebody_moved(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody goes on writing to where it is not any more."""
        monkeypatch.setattr("scheduler.sharing.serving.LOOK_EVERY", 0.02)
        async with connect(path) as one, connect(path) as other:
            await one.enqueue("before")
            path.rename(path.with_name("moved.db"))
            with trio.fail_after(10):
                while (await other.queue_status()).total_tasks:
                    await trio.sleep(0.01)
        async with open_scheduler(path) as made_anew:
            assert (await made_anew.queue_status()).total_tasks == 0

    async def test_a_second_name_of_the_file(self, path: Path, start: Start) -> None:
        """A hard link has a log of its own name: what one writes, the other overwrites."""
        start("connect")
        async with connect(path) as one:
            await one.enqueue("work")
            second = path.with_name("second.db")
            os.link(path, second)
            with pytest.raises(SchedulerError):
                async with connect(second):
                    pass

    async def test_a_lock_file_that_is_a_link(self, path: Path) -> None:
        """The file behind it stays as it is."""
        precious = path.with_name("precious")
        precious.write_text("text")
        Path(f"{path}.lock").symlink_to(precious)
        with pytest.raises(StoreUnavailable):
            async with connect(path):
                pass
        assert precious.read_text() == "text"

    async def test_the_address_goes_with_the_socket(self, path: Path) -> None:
        """Who does not share any more is not taken for silent."""
        async with open_scheduler(path) as scheduler:
            async with trio.open_nursery() as nursery:
                await nursery.start(serve, scheduler)
                nursery.cancel_scope.cancel()
            owner = last_owner(str(path))
            assert owner is not None
            assert owner.address is None

    async def test_no_runtime_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A path too long for a socket, and a stale XDG_RUNTIME_DIR, as after `su`."""
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
        folder = tmp_path / ("d" * 120)
        folder.mkdir()
        async with connect(folder / "tasks.db") as scheduler:
            await scheduler.queue_status()


class TestTheWire:
    """What is sent there, and what stays."""

    async def test_cancelled_calls_are_forgotten(self, path: Path) -> None:
        """At both ends."""
        async with connect(path), connect(path) as other:
            for _ in range(20):
                with trio.move_on_after(0.001):
                    await other.claim("w", wait=50)
            await other.queue_status()
            assert len(link_of(other)._called) == 0

    async def test_a_path_that_is_no_unicode(self, tmp_path: Path) -> None:
        """It can be told to others."""
        path = tmp_path / os.fsdecode(b"t\xff.db")
        async with connect(path), connect(path) as other:
            assert (await other.queue_status()).total_tasks == 0

    async def test_a_token_that_is_no_unicode(self, path: Path) -> None:
        """As to the owner, so to others: a SchedulerError."""
        async with connect(path) as owner, connect(path) as other:
            task = await owner.enqueue("work")
            for scheduler in (owner, other):
                with pytest.raises(SchedulerError):
                    await scheduler.heartbeat((task.id, "\ud800"))

    @pytest.mark.parametrize(
        "text",
        [
            wire.call(1, c.GetQueueStatus(Reply()), again=False),  # twice the same number
            b'{"type":"ping","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            wire.call(1, c.Get(1 << 70, Reply()), again=False),
        ],
        ids=["number", "depth", "id"],
    )
    async def test_what_no_handle_sends(self, path: Path, text: bytes) -> None:
        """Ends only its connection."""
        async with connect(path) as owner, trio.open_nursery() as nursery:
            link = await linked(path, nursery)
            link._framed.post(text)
            link._framed.post(text)
            await trio.sleep(0.3)
            nursery.cancel_scope.cancel()
            assert (await owner.queue_status()).total_tasks == 0
