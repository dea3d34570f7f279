"""Peers do the work they are timed for, and the tables tell of each one, run or not."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest

from benchmarks.peers import by_hand_peer, headrace_peer, litequeue_peer
from benchmarks.peers.alone import MOST, PILOT, Measured, Pair, _enough, measured, measured_alone
from benchmarks.peers.peer import Missing, Opened, Peer, Survival, library
from benchmarks.peers.registry import PEERS, REFERENCE
from benchmarks.peers.servers import postgres, redis
from benchmarks.sections.peers import Round, tables
from benchmarks.workload import Bench

COMPLETED = "SELECT count(*) FROM tasks WHERE status = 'completed'"
DONE = "SELECT count(*) FROM Queue WHERE status = 2"
BY_HAND = partial(by_hand_peer.opened, synchronous="FULL")
ONE = partial(headrace_peer.opened, durability="accepted", many=False)
MANY = partial(headrace_peer.opened, durability="accepted", many=True)
SURVIVAL = Survival("all", "all", "stays taken")
NOWHERE = Measured(not_run="its server is not installed")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, quick=True)


@contextmanager
def _opened(opened: Opened, bench: Bench) -> Iterator[Peer]:
    try:
        with opened(bench) as peer:
            yield peer
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    ("opened", "finished"),
    [(BY_HAND, COMPLETED), (ONE, COMPLETED), (MANY, COMPLETED), (litequeue_peer.opened, DONE)],
)
def test_a_cycle_leaves_each_task_finished(
    opened: Opened, finished: str, bench: Bench, tmp_path: Path
) -> None:
    with _opened(opened, bench) as peer:
        assert peer.cycle(230) > 0
    with closing(sqlite3.connect(next(tmp_path.glob("*.db")))) as connection:
        assert connection.execute(finished).fetchone() == (230,)


@pytest.mark.parametrize("opened", [BY_HAND, ONE, litequeue_peer.opened])
def test_bulk_calls_bring_all_tasks(opened: Opened, bench: Bench, tmp_path: Path) -> None:
    table = "Queue" if opened is litequeue_peer.opened else "tasks"
    with _opened(opened, bench) as peer:
        assert peer.enqueue_bulk(1_001)
    with closing(sqlite3.connect(next(tmp_path.glob("*.db")))) as connection:
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1_001,)


def test_a_library_that_is_not_there_is_named() -> None:
    with pytest.raises(Missing, match="no_such_queue is not installed"):
        library("no_such_queue.workers")


def test_a_peer_that_is_missing_says_why(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(bench: Bench) -> AbstractContextManager[Peer]:
        raise Missing("its server is not installed")

    monkeypatch.setitem(PEERS, "elsewhere", opened)
    assert measured("elsewhere", bench, 0.1) == NOWHERE


@pytest.mark.process
def test_a_peer_is_measured_in_a_process_of_its_own(bench: Bench) -> None:
    found = measured_alone("headrace, accepted, many", bench, 0.01)
    assert not found.not_run
    assert found.pairs.keys() == {"single", "cycle"}


@pytest.mark.process
def test_a_process_that_fails_says_why(bench: Bench) -> None:
    assert measured_alone("no such peer", bench, 0.01).not_run.startswith("failed: ")


@pytest.mark.parametrize(
    ("rate", "count"), [(10.0, PILOT), (1_000.0, 800), (1e9, MOST), (None, None)]
)
def test_a_measure_gets_as_many_tasks_as_take_about_so_long(
    rate: float | None, count: int | None
) -> None:
    assert _enough(lambda _: rate, 0.8) == count


def _rounds() -> list[Round]:
    def took(single: float, reference: float) -> Measured:
        return Measured({"single": Pair(single, reference)}, SURVIVAL)

    return [
        {"slow": took(50, 100), REFERENCE: took(100, 100), "fast": took(300, 100), "x": NOWHERE},
        {"slow": took(60, 200), REFERENCE: took(200, 200), "fast": took(400, 200)},
        {"slow": took(70, 100), REFERENCE: took(100, 100), "fast": took(900, 100)},
    ]


def test_a_table_has_the_fastest_first_and_what_did_not_run_at_the_end() -> None:
    single, *_ = tables(_rounds())
    assert [row[0] for row in single.rows] == ["fast", REFERENCE, "slow", "x"]
    assert single.rows[-1][1] == "not run: its server is not installed"


def test_a_ratio_is_the_median_of_those_of_the_pairs() -> None:
    single, *_ = tables(_rounds())
    assert single.rows[2] == (
        *("slow", "60", "50..70", "0.5x (0.3..0.7)"),
        *("all", "all", "stays taken"),
    )


def test_a_measure_that_a_peer_does_not_offer_is_left_out() -> None:
    _, bulk, _ = tables(_rounds())
    assert [row[0] for row in bulk.rows] == ["x"]


def test_a_peer_that_fails_later_on_is_told_as_not_run() -> None:
    rounds = [*_rounds(), {**_rounds()[0], "fast": Measured(not_run="failed: no memory")}]
    single, *_ = tables(rounds)
    assert ("fast", "not run: failed: no memory") in [row[:2] for row in single.rows]


@pytest.mark.process
@pytest.mark.parametrize(
    ("program", "started"),
    [("redis-server", partial(redis, appendfsync="always")), ("postgres", postgres)],
)
def test_a_server_ends_also_when_the_measurement_fails(
    program: str, started: Callable[[Bench], AbstractContextManager[str]]
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    listened: list[tuple[int, bool]] = []

    def fail(folder: str) -> None:
        with started(Bench(Path(folder))) as url:
            port = urlsplit(url).port or 0
            listened.append((port, _listens(port)))
            raise ZeroDivisionError

    # The folders of pytest keep out a server that runs as somebody else.
    with TemporaryDirectory() as folder, pytest.raises(ZeroDivisionError):
        fail(folder)
    ((port, served),) = listened
    assert served
    assert not _listens(port)


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
