"""The file layer by which SQLite uses a simulated disk.

One table of functions serves all disks: an open file is known by the address of SQLite's record
of it, a disk by that of its file layer. See https://sqlite.org/c3ref/io_methods.html.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_void_p
from itertools import count
from typing import Any

from torture.disk.disk import Disk, DiskError, Handle
from torture.disk.files import PAGE
from torture.disk.library import library

OK, BUSY, NOT_FOUND, FULL, CANT_OPEN = 0, 5, 12, 13, 14
IO_ERROR = 10
READ, SHORT_READ, WRITE, SYNC, TRUNCATE, SIZE = (IO_ERROR | n << 8 for n in (1, 2, 3, 4, 6, 7))
DELETE, ACCESS, MAP_SIZE, MAP, NO_ENTRY = (IO_ERROR | n << 8 for n in (10, 13, 19, 21, 23))
CREATE, DELETE_ON_CLOSE = 0x4, 0x8
POWERSAFE_OVERWRITE = 0x1000  # as SQLite takes for granted of a disk of this system
UNLOCK, EXCLUSIVE = 1, 8
LONGEST_PATH = 1_024

# What the library passes: the address of a file, of a file layer, of a place for a result.
_FILE, _VFS, _INTO = c_void_p, c_void_p, c_void_p


class Methods(ctypes.Structure):
    """sqlite3_io_methods, up to what shared memory needs."""

    _fields_ = [
        ("version", c_int),
        ("close", ctypes.CFUNCTYPE(c_int, _FILE)),
        ("read", ctypes.CFUNCTYPE(c_int, _FILE, _INTO, c_int, c_int64)),
        ("write", ctypes.CFUNCTYPE(c_int, _FILE, c_void_p, c_int, c_int64)),
        ("truncate", ctypes.CFUNCTYPE(c_int, _FILE, c_int64)),
        ("sync", ctypes.CFUNCTYPE(c_int, _FILE, c_int)),
        ("size", ctypes.CFUNCTYPE(c_int, _FILE, _INTO)),
        ("lock", ctypes.CFUNCTYPE(c_int, _FILE, c_int)),
        ("unlock", ctypes.CFUNCTYPE(c_int, _FILE, c_int)),
        ("check_reserved", ctypes.CFUNCTYPE(c_int, _FILE, _INTO)),
        ("control", ctypes.CFUNCTYPE(c_int, _FILE, c_int, c_void_p)),
        ("sector_size", ctypes.CFUNCTYPE(c_int, _FILE)),
        ("characteristics", ctypes.CFUNCTYPE(c_int, _FILE)),
        ("map", ctypes.CFUNCTYPE(c_int, _FILE, c_int, c_int, c_int, _INTO)),
        ("lock_memory", ctypes.CFUNCTYPE(c_int, _FILE, c_int, c_int, c_int)),
        ("barrier", ctypes.CFUNCTYPE(None, _FILE)),
        ("unmap", ctypes.CFUNCTYPE(c_int, _FILE, c_int)),
        ("fetch", c_void_p),
        ("unfetch", c_void_p),
    ]


class FileLayer(ctypes.Structure):
    """sqlite3_vfs, version 1: the clock is asked in days."""

    _fields_ = [
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", ctypes.CFUNCTYPE(c_int, _VFS, c_char_p, _FILE, c_int, _INTO)),
        ("delete", ctypes.CFUNCTYPE(c_int, _VFS, c_char_p, c_int)),
        ("access", ctypes.CFUNCTYPE(c_int, _VFS, c_char_p, c_int, _INTO)),
        ("full_path", ctypes.CFUNCTYPE(c_int, _VFS, c_char_p, c_int, _INTO)),
        ("load", c_void_p * 4),
        ("randomness", ctypes.CFUNCTYPE(c_int, _VFS, c_int, _INTO)),
        ("sleep", ctypes.CFUNCTYPE(c_int, _VFS, c_int)),
        ("time", ctypes.CFUNCTYPE(c_int, _VFS, POINTER(c_double))),
        ("last_error", c_void_p),
    ]


_disks: dict[int, Disk] = {}
_files: dict[int, tuple[Disk, Handle]] = {}
_mistakes: list[BaseException] = []  # of this package: SQLite cannot be told
_numbers = count(1)


def _failing_with(code: int) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make a disk's error into SQLite's; keep any other for `raise_mistakes`."""

    def wrap(function: Callable[..., int]) -> Callable[..., int]:
        def guarded(*args: Any) -> int:
            try:
                return function(*args)
            except DiskError as error:
                return FULL if error.full and code == WRITE else code
            except BaseException as error:
                _mistakes.append(error)
                return code

        return guarded

    return wrap


def raise_mistakes() -> None:
    """Raise what went wrong in the simulated disk itself, which SQLite took for a bad disk."""
    if _mistakes:
        mistakes = _mistakes.copy()
        _mistakes.clear()
        raise RuntimeError("the simulated disk is broken") from mistakes[0]


# ------------------------------------------------------------- of an open file


@_failing_with(IO_ERROR)
def _close(file: int) -> int:
    disk, handle = _files.pop(file)
    disk.close(handle)
    return OK


@_failing_with(READ)
def _read(file: int, into: int, size: int, offset: int) -> int:
    disk, handle = _files[file]
    data = disk.read(handle, size, offset)
    ctypes.memmove(into, data, len(data))
    if len(data) == size:
        return OK
    ctypes.memset(into + len(data), 0, size - len(data))
    return SHORT_READ


@_failing_with(WRITE)
def _write(file: int, data: int, size: int, offset: int) -> int:
    disk, handle = _files[file]
    disk.write(handle, offset, ctypes.string_at(data, size))
    return OK


@_failing_with(TRUNCATE)
def _truncate(file: int, size: int) -> int:
    disk, handle = _files[file]
    disk.truncate(handle, size)
    return OK


@_failing_with(SYNC)
def _sync(file: int, _flags: int) -> int:
    disk, handle = _files[file]
    disk.sync(handle)
    return OK


@_failing_with(SIZE)
def _size(file: int, into: int) -> int:
    disk, handle = _files[file]
    c_int64.from_address(into).value = disk.size(handle)
    return OK


@_failing_with(IO_ERROR)
def _lock(file: int, level: int) -> int:
    _, handle = _files[file]
    if not handle.alive:
        return IO_ERROR
    return OK if handle.node.locks.lock(handle, level) else BUSY


@_failing_with(IO_ERROR)
def _unlock(file: int, level: int) -> int:
    _, handle = _files[file]
    handle.node.locks.unlock(handle, level)
    return OK


@_failing_with(IO_ERROR)
def _check_reserved(file: int, into: int) -> int:
    _, handle = _files[file]
    c_int.from_address(into).value = handle.node.locks.reserved()
    return OK


def _control(_file: int, _operation: int, _argument: int) -> int:
    return NOT_FOUND


def _sector_size(_file: int) -> int:
    return PAGE


def _characteristics(_file: int) -> int:
    return POWERSAFE_OVERWRITE


@_failing_with(MAP)
def _map(file: int, number: int, size: int, extend: int, into: int) -> int:
    disk, handle = _files[file]
    c_void_p.from_address(into).value = disk.map(handle, number, size, extend=bool(extend))
    return OK


@_failing_with(IO_ERROR)
def _lock_memory(file: int, first: int, how_many: int, flags: int) -> int:
    _, handle = _files[file]
    slots = range(first, first + how_many)
    memory = handle.memory
    if flags & UNLOCK:
        if memory is not None:
            memory.unlock(handle, slots)
        return OK
    if memory is None or not handle.alive:
        return IO_ERROR
    return OK if memory.lock(handle, slots, exclusive=bool(flags & EXCLUSIVE)) else BUSY


def _barrier(_file: int) -> None:
    """All of it runs in one thread."""


@_failing_with(IO_ERROR)
def _unmap(file: int, _delete: int) -> int:
    disk, handle = _files[file]
    disk.unmap(handle)
    return OK


# ------------------------------------------------------------- of a disk


@_failing_with(CANT_OPEN)
def _open(vfs: int, name: bytes | None, file: int, flags: int, into: int | None) -> int:
    c_void_p.from_address(file).value = None  # so that it is not closed if this fails
    disk = _disks[vfs]
    path = None if name is None or flags & DELETE_ON_CLOSE else name.decode()
    handle = disk.open(path, create=bool(flags & CREATE))
    if handle is None:
        return CANT_OPEN
    _files[file] = disk, handle
    c_void_p.from_address(file).value = ctypes.addressof(_METHODS)
    if into is not None:
        c_int.from_address(into).value = flags
    return OK


@_failing_with(DELETE)
def _delete(vfs: int, name: bytes, sync_folder: int) -> int:
    found = _disks[vfs].delete(name.decode(), sync_folder=bool(sync_folder))
    return OK if found else NO_ENTRY


@_failing_with(ACCESS)
def _access(vfs: int, name: bytes, _question: int, into: int) -> int:
    c_int.from_address(into).value = _disks[vfs].exists(name.decode())
    return OK


@_failing_with(CANT_OPEN)
def _full_path(_vfs: int, name: bytes, size: int, into: int) -> int:
    if len(name) >= size:
        return CANT_OPEN
    ctypes.memmove(into, name + b"\0", len(name) + 1)
    return OK


def _sleep(_vfs: int, microseconds: int) -> int:
    return microseconds  # nobody else runs meanwhile: to wait would change nothing


def _methods() -> Methods:
    functions: dict[str, Callable[..., Any]] = {
        "close": _close,
        "read": _read,
        "write": _write,
        "truncate": _truncate,
        "sync": _sync,
        "size": _size,
        "lock": _lock,
        "unlock": _unlock,
        "check_reserved": _check_reserved,
        "control": _control,
        "sector_size": _sector_size,
        "characteristics": _characteristics,
        "map": _map,
        "lock_memory": _lock_memory,
        "barrier": _barrier,
        "unmap": _unmap,
    }
    return Methods(version=2, **_as_c(Methods, functions))


def _as_c(table: type[ctypes.Structure], functions: dict[str, Callable[..., Any]]) -> Any:
    types: dict[str, Any] = {field[0]: field[1] for field in table._fields_}
    return {name: types[name](function) for name, function in functions.items()}


_METHODS = _methods()
_LAYER = _as_c(
    FileLayer,
    {"open": _open, "delete": _delete, "access": _access, "full_path": _full_path, "sleep": _sleep},
)


class Mounted:
    """A disk under a name that `sqlite3.connect("file:...?vfs=<name>", uri=True)` takes.

    A context manager; close every connection before its end.
    """

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.name = f"disk-{next(_numbers)}"
        found = library()
        found.sqlite3_vfs_find.restype = POINTER(FileLayer)
        default = found.sqlite3_vfs_find(None).contents
        self._layer = FileLayer(
            version=1,
            file_size=ctypes.sizeof(c_void_p),
            longest_path=LONGEST_PATH,
            name=self.name.encode(),
            load=default.load,
            randomness=default.randomness,
            time=default.time,
            last_error=default.last_error,
            **_LAYER,
        )
        _disks[ctypes.addressof(self._layer)] = disk
        found.sqlite3_vfs_register(ctypes.byref(self._layer), 0)

    def __enter__(self) -> Mounted:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.unmount()

    def unmount(self) -> None:
        """Take it away. Raises RuntimeError if it is in use, or was broken itself."""
        if any(disk is self.disk for disk, _ in _files.values()):
            raise RuntimeError("a connection to the disk is open")
        library().sqlite3_vfs_unregister(ctypes.byref(self._layer))
        _disks.pop(ctypes.addressof(self._layer), None)
        raise_mistakes()
