"""A disk in memory that loses power, fails and fills up when it is told to.

It holds files, a directory that itself must be synced, and open handles. Hears from SQLite
through `vfs`, and from the test that breaks it. Everything random comes from its own seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import inf
from random import Random

from torture.disk.faults import Fault, Operation, PowerLoss, Trouble
from torture.disk.files import PAGE, SECTOR, File, Write, apply, sectors
from torture.disk.locks import FileLocks, SharedMemory


class DiskError(Exception):
    """An operation fails; `full` if for want of space."""

    def __init__(self, *, full: bool = False) -> None:
        super().__init__("the disk is full" if full else "the disk reports an error")
        self.full = full


class Node:
    """A file with what its users share while they live."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.locks = FileLocks()
        self.memory = SharedMemory()


class Handle:
    """A file that somebody has opened; a dead one belonged to a process that is gone."""

    __slots__ = ("alive", "memory", "name", "node")

    def __init__(self, name: str, node: Node) -> None:
        self.name = name
        self.node = node
        self.alive = True
        self.memory: SharedMemory | None = None


class Disk:
    """See the module.

    `operations` counts what was asked of it by kind, `troubles` what it did to whoever asked.
    `deaths` counts kills and power losses, `power_losses` the latter alone; `on_death` is called
    after each, perhaps in the middle of an operation. `capacity` (bytes) is how much its files
    may hold together. `latency` (virtual seconds by kind of operation) adds up in `busy`.
    """

    def __init__(self, seed: int = 0) -> None:
        self.operations: Counter[Operation] = Counter()
        self.troubles: Counter[Trouble] = Counter()
        self.deaths = 0
        self.power_losses = 0
        self.on_death: Callable[[], None] = _nothing
        self.capacity: float = inf
        self.latency: dict[Operation, float] = {}
        self.busy = 0.0
        self._rng = Random(seed)
        self._faults: list[Fault] = []
        self._order = 0
        self._nodes: dict[str, Node] = {}
        self._durable_names: dict[str, Node] = {}
        self._handles: set[Handle] = set()

    # ------------------------------------------------------------- for those who break it

    def inject(self, fault: Fault) -> None:
        """Let something go wrong."""
        self._faults.append(fault)

    def heal(self) -> None:
        """From now on nothing goes wrong any more, and there is space."""
        self._faults.clear()
        self.capacity = inf

    @property
    def faulty(self) -> bool:
        """Whether something can still go wrong."""
        return bool(self._faults) or self.capacity < inf

    def kill(self) -> None:
        """The process that uses the disk dies. What it wrote is in the page cache and stays."""
        self.deaths += 1
        for handle in self._handles:
            handle.alive = False
        self._handles.clear()
        self._nodes = {name: Node(node.file) for name, node in self._nodes.items()}
        self._durable_names = {
            name: self._nodes[name] if self._is_at(node.file, name) else Node(node.file)
            for name, node in self._durable_names.items()
        }
        self.on_death()

    def power_loss(self, mode: PowerLoss) -> None:
        """The machine dies and starts again with what the platter holds.

        "dropped": nothing that was not synced is there. "torn": a part of it is, in the order
        in which it was written, the last of it cut between sectors. "reordered": any of it is,
        in any order, some of it cut.
        """
        self.power_losses += 1
        survivors = self._survivors(mode)
        self._nodes = self._surviving_names(mode)
        for node in self._nodes.values():
            file = node.file
            content = bytearray(file.durable)
            for write in survivors.get(file, ()):
                apply(content, write)
            file.fresh(content)
        self._durable_names = dict(self._nodes)
        self.kill()

    def used(self) -> int:
        """Bytes in all files."""
        return sum(len(node.file.seen) for node in self._nodes.values())

    def content(self, name: str) -> bytes | None:
        """What a program would read from a file; None if it is not there."""
        node = self._nodes.get(name)
        return None if node is None else bytes(node.file.seen)

    def has(self, name: str) -> bool:
        """Whether there is such a file, be it empty."""
        return name in self._nodes

    def peek(self, name: str, size: int, offset: int) -> bytes:
        """Read without being counted; nothing if the file is not there."""
        node = self._nodes.get(name)
        return b"" if node is None else node.file.read(size, offset)

    def create(self, name: str, content: bytes = b"") -> None:
        """Put a file there, unless it is there; its content is durable at once."""
        if name not in self._nodes:
            self._nodes[name] = Node(File())
            self._nodes[name].file.fresh(bytearray(content))

    def copy(self, seed: int = 0) -> Disk:
        """A sound disk with the same files, for a look that disturbs nobody."""
        other = Disk(seed)
        other._nodes = {name: Node(node.file.copy()) for name, node in self._nodes.items()}
        other._durable_names = dict(other._nodes)
        return other

    # ------------------------------------------------------------- for the file layer

    def open(self, name: str | None, *, create: bool) -> Handle | None:
        """A handle; None if there is no such file. Without a name the file is temporary."""
        self._enter("open", name or "")
        if name is None:
            return Handle("", Node(File()))
        if name not in self._nodes:
            if not create:
                return None
            self._nodes[name] = Node(File())
        handle = Handle(name, self._nodes[name])
        self._handles.add(handle)
        return handle

    def close(self, handle: Handle) -> None:
        """The last of a handle."""
        self._handles.discard(handle)
        handle.node.locks.unlock(handle, 0)

    def read(self, handle: Handle, size: int, offset: int) -> bytes:
        self._enter("read", handle.name, handle)
        return handle.node.file.read(size, offset)

    def write(self, handle: Handle, offset: int, data: bytes) -> None:
        file = handle.node.file
        self._order += 1
        fits = len(data) if self.capacity == inf else self._fits(file, offset, len(data))
        try:
            self._enter("write", handle.name, handle)
            if fits < len(data):
                self._strike("full")
        except DiskError:
            kept = self._rng.randrange(fits // SECTOR + 1) * SECTOR
            if handle.alive and kept:  # a failing write may have got some way
                file.write(self._order, offset, data[:kept])
            raise
        file.write(self._order, offset, data)

    def truncate(self, handle: Handle, size: int) -> None:
        self._enter("truncate", handle.name, handle)
        self._order += 1
        handle.node.file.truncate(self._order, size)

    def sync(self, handle: Handle) -> None:
        try:
            self._enter("sync", handle.name, handle)
        except DiskError:
            if handle.alive:
                handle.node.file.fail_sync(self._rng)
            raise
        handle.node.file.sync()
        if self._durable_names.get(handle.name) is not self._nodes.get(handle.name):
            self._durable_names = dict(self._nodes)  # SQLite syncs the folder of a new log too

    def write_again(self, name: str) -> None:
        """Write a byte of each page as it is, and sync: what was forgotten is written, too."""
        handle = self.open(name, create=False)
        if handle is None:
            return
        try:
            content = handle.node.file.seen
            for offset in range(0, len(content), PAGE):
                self.write(handle, offset, bytes(content[offset : offset + 1]))
            self.sync(handle)
        finally:
            self.close(handle)

    def size(self, handle: Handle) -> int:
        self._enter("size", handle.name, handle)
        return len(handle.node.file.seen)

    def delete(self, name: str, *, sync_folder: bool) -> bool:
        """Whether the file was there. Raises DiskError too if whoever asks is dead."""
        self._enter("delete", name)
        if not self._is_in_use(name.removesuffix("-wal").removesuffix("-journal")):
            raise DiskError
        found = self._nodes.pop(name, None)
        if sync_folder:
            self._durable_names = dict(self._nodes)
        return found is not None

    def exists(self, name: str) -> bool:
        """Whether there is such a file with something in it; an empty one is as good as none."""
        self._enter("access", name)
        return name in self._nodes and bool(self._nodes[name].file.seen)

    def map(self, handle: Handle, number: int, size: int, *, extend: bool) -> int | None:
        """The address of a region of shared memory, None if it is not there."""
        self._enter("map", handle.name, handle)
        if handle.memory is None:
            handle.memory = handle.node.memory
            handle.memory.users.add(handle)
        return handle.memory.region(number, size, extend=extend)

    def unmap(self, handle: Handle) -> None:
        """The last of a handle's use of shared memory; the last user's ends the memory too."""
        if handle.memory is None:
            return
        handle.memory.users.discard(handle)
        if not handle.memory.users and handle.node.memory is handle.memory:
            handle.node.memory = SharedMemory()
        handle.memory = None

    # ------------------------------------------------------------- inside

    def _enter(self, operation: Operation, name: str, handle: Handle | None = None) -> None:
        """Count an operation, and let it fail if it is its turn."""
        if handle is not None and not handle.alive:
            raise DiskError
        self.operations[operation] += 1
        if self.latency:
            self.busy += self.latency.get(operation, 0.0)
        if not self._faults:
            return
        for fault in self._faults:
            if operation in fault.operations and name.endswith(fault.on) and not fault.over:
                fault.passed += 1
                if fault.passed >= fault.at and self._strikes(fault):
                    self._strike(fault.trouble)
        self._faults = [fault for fault in self._faults if not fault.over]

    def _strikes(self, fault: Fault) -> bool:
        return fault.chance >= 1.0 or self._rng.random() < fault.chance

    def _strike(self, trouble: Trouble) -> None:
        self.troubles[trouble] += 1
        if trouble == "kill":
            self.kill()
        elif trouble != "io" and trouble != "full":
            self.power_loss(trouble)
        raise DiskError(full=trouble == "full")

    def _fits(self, file: File, offset: int, size: int) -> int:
        """How many of `size` bytes at `offset` there is space for."""
        end = len(file.seen) + max(0.0, self.capacity - self.used())
        return int(max(0, min(size, end - offset)))

    def _survivors(self, mode: PowerLoss) -> dict[File, list[Write]]:
        """What of the writes that were not synced is on the platter all the same."""
        nodes = (*self._nodes.values(), *self._durable_names.values())
        files = {id(node.file): node.file for node in nodes}
        written = [(write, file) for file in files.values() for write in file.pending]
        written.sort(key=lambda item: item[0].order)
        if mode == "dropped" or not written:
            return {}
        if mode == "torn":
            whole = self._rng.randrange(len(written))
            kept = written[:whole]
            write, file = written[whole]
            pieces = sectors(write)
            kept += [(piece, file) for piece in pieces[: self._rng.randrange(len(pieces) + 1)]]
        else:
            kept = self._shuffled(written)
        survivors: dict[File, list[Write]] = {}
        for write, file in kept:
            survivors.setdefault(file, []).append(write)
        return survivors

    def _shuffled(self, written: list[tuple[Write, File]]) -> list[tuple[Write, File]]:
        rng = self._rng
        share = rng.random()
        chosen = [item for item in written if rng.random() < share]
        rng.shuffle(chosen)
        kept: list[tuple[Write, File]] = []
        for write, file in chosen:
            pieces = [write]
            if rng.random() < 0.3:
                pieces = [piece for piece in sectors(write) if rng.random() < 0.5]
            kept += [(piece, file) for piece in pieces]
        return kept

    def _surviving_names(self, mode: PowerLoss) -> dict[str, Node]:
        """The directory after a power loss: what changed in it since its sync may not be there."""
        names: dict[str, Node] = {}
        for name in sorted(self._nodes.keys() | self._durable_names.keys()):
            now, durable = self._nodes.get(name), self._durable_names.get(name)
            chosen = durable if mode == "dropped" or self._rng.random() < 0.5 else now
            if chosen is not None:
                names[name] = chosen
        return names

    def _is_in_use(self, name: str) -> bool:
        return any(handle.name == name for handle in self._handles)

    def _is_at(self, file: File, name: str) -> bool:
        node = self._nodes.get(name)
        return node is not None and node.file is file


def _nothing() -> None:
    """Nobody wants to hear of it."""
