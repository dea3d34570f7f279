"""What the benchmarks work on: tasks of about the size of real ones, and files on a disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import trio

from benchmarks.measuring import PAIRS
from persistence.filesystem import file_system
from persistence.store import Durability, Store
from scheduler import Scheduler, TaskSpec, open_scheduler

CHAIN = 10  # tasks that wait one for the other
IN_MEMORY = frozenset({"tmpfs", "ramfs"})

T = TypeVar("T")
Work = Callable[[Scheduler], Awaitable[T]]


def linked_specs(count: int) -> list[TaskSpec]:
    """Tasks in chains of ten, with a description of 80 bytes and a small payload."""
    made: list[TaskSpec] = []
    for place in range(count):
        made.append(spec(place, made[-1:] if place % CHAIN else ()))
    return made


def open_specs(count: int) -> list[TaskSpec]:
    """The same tasks, none of which waits for another."""
    return [spec(place) for place in range(count)]


def spec(place: int, prerequisites: Sequence[TaskSpec] = ()) -> TaskSpec:
    return TaskSpec(
        f"Let the parser of module {place:06d} name the line and column of each error it meets",
        agent_type="builder",
        base_priority=place % 11,
        prerequisites=prerequisites,
        payload={"repository": "headrace", "branch": f"task-{place}", "files": 3},
    )


class Bench:
    """What a section works with: a folder on a disk, and whether it is to be done soon.

    A commit in memory would prove nothing. `quick` asks for a smoke run of a few seconds.
    `pairs` is how often ours and the reference take turns.
    """

    def __init__(self, folder: Path, quick: bool = False) -> None:
        self.quick = quick
        self.pairs = self.pick(PAIRS, 1)
        self.folder = folder
        self._files = 0

    def pick(self, full: T, quick: T) -> T:
        """The first of two sizes, or the second one in a quick run."""
        return quick if self.quick else full

    def new(self) -> str:
        """The path of a file that does not exist yet."""
        self._files += 1
        return str(self.folder / f"{self._files}.db")


@contextmanager
def bench_in(parent: Path, quick: bool = False) -> Iterator[Bench]:
    """A new folder in `parent`, removed at the end."""
    if file_system(str(parent)) in IN_MEMORY:
        raise SystemExit(f"{parent} lies in memory; name a folder on a disk with --folder")
    with TemporaryDirectory(prefix="headrace-bench-", dir=parent) as folder:
        yield Bench(Path(folder), quick)


def run(
    work: Work[T],
    path: str = ":memory:",
    store: Store | None = None,
    durability: Durability = "synced",
) -> T:
    """What `work` returns with a scheduler of its own."""

    async def main() -> T:
        async with open_scheduler(path, store=store, durability=durability) as scheduler:
            return await work(scheduler)

    return trio.run(main)
