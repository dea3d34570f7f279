"""Ways in which a database comes to harm, each drawn from one `Random`.

A kind takes the files of a specimen and gives those of a damaged one. `PAGE` is the page size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from torture.fuzz.specimen import PAGE, Files, Specimen

WAL_HEADER, FRAME = 32, 24 + PAGE
LONG = 1 << 20  # bytes of garbage, at the most

Kind = Callable[[Random, Specimen], Files]


def flip(data: bytes, offset: int, bit: int) -> bytes:
    """The same with one bit turned."""
    changed = bytearray(data)
    changed[offset] ^= 1 << bit
    return bytes(changed)


def overwrite(data: bytes, offset: int, what: bytes) -> bytes:
    """The same with `what` at `offset`, as long as before."""
    return (data[:offset] + what + data[offset + len(what) :])[: len(data)]


def _pages(data: bytes) -> int:
    return len(data) // PAGE


def _page(random: Random, data: bytes) -> int:
    """The offset of any page."""
    return random.randrange(_pages(data)) * PAGE


def _bit(random: Random, specimen: Specimen) -> Files:
    main = specimen.at_rest[""]
    return {"": flip(main, random.randrange(len(main)), random.randrange(8))}


def _bits_of_structure(random: Random, specimen: Specimen) -> Files:
    """In the head of a page: its kind, the number of its cells, where they are."""
    main = specimen.at_rest[""]
    for _ in range(random.randint(1, 3)):
        offset = _page(random, main) + random.randrange(40)
        main = flip(main, offset, random.randrange(8))
    return {"": main}


def _header(random: Random, specimen: Specimen) -> Files:
    """In the first 100 bytes: page size, versions, free pages, encoding, whose file it is."""
    main = specimen.at_rest[""]
    if random.random() < 0.5:
        return {"": flip(main, random.randrange(100), random.randrange(8))}
    width = random.choice((1, 2, 4))
    offset = random.randrange(0, 100 - width)
    return {"": overwrite(main, offset, random.randbytes(width))}


def _schema(random: Random, specimen: Specimen) -> Files:
    """In the first page behind its header, where the tables are described."""
    main = specimen.at_rest[""]
    return {"": flip(main, random.randrange(100, PAGE), random.randrange(8))}


def _burst(random: Random, specimen: Specimen) -> Files:
    """Random bytes over a short stretch."""
    main = specimen.at_rest[""]
    offset = random.randrange(len(main))
    return {"": overwrite(main, offset, random.randbytes(random.randint(2, 64)))}


def _zeros(random: Random, specimen: Specimen) -> Files:
    """A stretch that reads as zeros: a sector, a page, or several."""
    main = specimen.at_rest[""]
    length = random.choice((16, 512, PAGE, 4 * PAGE))
    offset = random.randrange(len(main)) // min(length, PAGE) * min(length, PAGE)
    return {"": overwrite(main, offset, bytes(length))}


def _swapped(random: Random, specimen: Specimen) -> Files:
    main = specimen.at_rest[""]
    one, other = _page(random, main), _page(random, main)
    first, second = main[one : one + PAGE], main[other : other + PAGE]
    return {"": overwrite(overwrite(main, one, second), other, first)}


def _doubled(random: Random, specimen: Specimen) -> Files:
    """A write that went to another page's place."""
    main = specimen.at_rest[""]
    one, other = _page(random, main), _page(random, main)
    return {"": overwrite(main, other, main[one : one + PAGE])}


def _stale(random: Random, specimen: Specimen) -> Files:
    """Pages as they were some time ago: writes that never reached the disk."""
    main, older = specimen.at_rest[""], specimen.with_log[""]
    for _ in range(random.randint(1, 4)):
        offset = random.randrange(min(_pages(main), _pages(older))) * PAGE
        main = overwrite(main, offset, older[offset : offset + PAGE])
    return {"": main}


def _foreign(random: Random, specimen: Specimen) -> Files:
    """A page of something else: text, or random bytes."""
    main = specimen.at_rest[""]
    what = random.choice((random.randbytes(PAGE), b"Dear diary, " * 342, b"\xff" * PAGE))
    return {"": overwrite(main, _page(random, main), what[:PAGE])}


def _cut(random: Random, specimen: Specimen) -> Files:
    """Anywhere, or between two pages."""
    main = specimen.at_rest[""]
    length = random.randrange(len(main))
    return {"": main[: length if random.random() < 0.5 else length // PAGE * PAGE]}


def _longer(random: Random, specimen: Specimen) -> Files:
    return {"": specimen.at_rest[""] + random.randbytes(random.choice((1, PAGE, 10 * PAGE)))}


def _anything(random: Random, specimen: Specimen) -> Files:
    """No database at all, or one in name."""
    length = random.choice((1, 15, 16, 99, 100, 511, 512, PAGE, LONG))
    start = random.choice((b"", b"SQLite format 3\0", specimen.at_rest[""][:100]))
    return {"": (start + random.randbytes(length))[: max(length, 1)]}


def _log_bits(random: Random, specimen: Specimen) -> Files:
    log = specimen.with_log["-wal"]
    return _with_log(specimen, flip(log, random.randrange(len(log)), random.randrange(8)))


def _log_heads(random: Random, specimen: Specimen) -> Files:
    """In the head of the log, or of one of its frames."""
    log = specimen.with_log["-wal"]
    frame = random.randrange((len(log) - WAL_HEADER) // FRAME)
    offset = random.choice((0, WAL_HEADER + frame * FRAME)) + random.randrange(24)
    return _with_log(specimen, flip(log, offset, random.randrange(8)))


def _log_zeros(random: Random, specimen: Specimen) -> Files:
    log = specimen.with_log["-wal"]
    offset = random.randrange(len(log)) // 512 * 512
    return _with_log(specimen, overwrite(log, offset, bytes(random.choice((512, PAGE, LONG)))))


def _log_cut(random: Random, specimen: Specimen) -> Files:
    log = specimen.with_log["-wal"]
    return _with_log(specimen, log[: random.randrange(len(log))])


def _log_lost(random: Random, specimen: Specimen) -> Files:
    """A copy of the database alone, though there was a log."""
    return {"": specimen.with_log[""]}


def _log_foreign(random: Random, specimen: Specimen) -> Files:
    """The log of an earlier time beside the newest file, or garbage."""
    if random.random() < 0.5:
        return {"": specimen.at_rest[""], "-wal": specimen.with_log["-wal"]}
    return _with_log(specimen, random.randbytes(random.choice((1, 31, 32, 33, PAGE, LONG))))


def _log_and_file(random: Random, specimen: Specimen) -> Files:
    """The log is sound, the file below it is not."""
    main = specimen.with_log[""]
    offset = random.randrange(len(main))
    return {
        "": overwrite(main, offset, random.randbytes(random.choice((1, 8, 512)))),
        "-wal": specimen.with_log["-wal"],
    }


def _shared_memory(random: Random, specimen: Specimen) -> Files:
    """The index of the log is garbage; whoever opens the file first makes it anew."""
    return {
        "": specimen.with_log[""],
        "-wal": specimen.with_log["-wal"],
        "-shm": random.randbytes(random.choice((1, PAGE, 32_768, 65_536))),
    }


def _lock_file(random: Random, specimen: Specimen) -> Files:
    """Nonsense where the owner's process id stands."""
    what = random.choice(
        (
            b"-1\n",
            b"9" * 400,
            b"1\n/nowhere\n",
            b"\0" * 64,
            "¹²\n".encode(),
            random.randbytes(5_000),
        )
    )
    return {"": specimen.at_rest[""], ".lock": what}


def _with_log(specimen: Specimen, log: bytes) -> Files:
    return {"": specimen.with_log[""], "-wal": log}


KINDS: Mapping[str, Kind] = {
    "a bit": _bit,
    "bits in the head of a page": _bits_of_structure,
    "the header": _header,
    "the schema": _schema,
    "a burst": _burst,
    "zeros": _zeros,
    "swapped pages": _swapped,
    "a doubled page": _doubled,
    "stale pages": _stale,
    "a foreign page": _foreign,
    "cut": _cut,
    "longer": _longer,
    "something else": _anything,
    "the log: a bit": _log_bits,
    "the log: heads": _log_heads,
    "the log: zeros": _log_zeros,
    "the log: cut": _log_cut,
    "the log: lost": _log_lost,
    "the log: foreign": _log_foreign,
    "below the log": _log_and_file,
    "the index of the log": _shared_memory,
    "the lock file": _lock_file,
}
