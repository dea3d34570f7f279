"""Task ids: 63 bits, ordered by time, hard to hit by a slip of the pen.

Inside, an id is an int (SQLite's rowid: no second index). Outside it is a str of 13
characters in Crockford's base 32 (https://www.crockford.com/base32.html), lower case.
The upper 41 bits are milliseconds since 2024, the lower 22 are random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scheduler.domain.errors import InvalidRequest

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 13
EPOCH_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z
RANDOM_BITS = 22
LARGEST = (1 << 63) - 1

_PAIRS = [high + low for high in ALPHABET for low in ALPHABET]
_VALUES = {char: value for value, char in enumerate(ALPHABET)}
_VALUES |= {"o": 0, "i": 1, "l": 1}


def encode(number: int) -> str:
    """The 13 characters of an id.

    >>> encode(0), encode(LARGEST)
    ('0000000000000', '7zzzzzzzzzzzz')
    """
    pairs = _PAIRS
    return (
        ALPHABET[number >> 60]
        + pairs[(number >> 50) & 1023]
        + pairs[(number >> 40) & 1023]
        + pairs[(number >> 30) & 1023]
        + pairs[(number >> 20) & 1023]
        + pairs[(number >> 10) & 1023]
        + pairs[number & 1023]
    )


def encode_all(numbers: Iterable[int]) -> tuple[str, ...]:
    """The same for many; ids that were made within a quarter of a second begin alike."""
    pairs = _PAIRS
    heads: dict[int, str] = {}
    texts: list[str] = []
    for number in numbers:
        head = heads.get(number >> 30)
        if head is None:
            head = heads[number >> 30] = encode(number)[:7]
        texts.append(
            head + pairs[number >> 20 & 1023] + pairs[number >> 10 & 1023] + pairs[number & 1023]
        )
    return tuple(texts)


def decode(text: object, field: str = "task_id") -> int:
    """The number behind 13 characters; upper case, o for 0 and i or l for 1 are understood.

    Raises InvalidRequest naming `field` when `text` is no id.

    >>> decode("7ZZZZZZZZZZZZ") == LARGEST
    True
    """
    number = 0
    if isinstance(text, str) and len(text) == LENGTH:
        try:
            for char in text.lower():
                number = number << 5 | _VALUES[char]
        except KeyError:
            number = LARGEST + 1
        if number <= LARGEST:
            return number
    raise InvalidRequest(
        f"{field} is not a task id",
        field=field,
        received=text[:80] if isinstance(text, str) else type(text).__name__,
        allowed=f"{LENGTH} characters of {ALPHABET}",
        hint="Pass an id exactly as enqueue, list or get returned it.",
    )


def first_at(moment: float) -> int:
    """The smallest number that an id made at `moment` (Unix seconds) can have."""
    return max(0, int(moment * 1000) - EPOCH_MS) << RANDOM_BITS


class IdMaker:
    """Makes ids that only ever grow, also when the clock stands still or steps back.

    `last` is the largest id in use; `random_bits(n)` returns n random bits.
    """

    def __init__(self, random_bits: Callable[[int], int], last: int = 0) -> None:
        self._random_bits = random_bits
        self._last = last

    def next(self, now: float) -> int:
        """A new id at `now` (Unix seconds)."""
        return self.take(1, now)[0]

    def take(self, count: int, now: float) -> list[int]:
        """So many new ids at `now`, rising."""
        fresh, last, random_bits = first_at(now), self._last, self._random_bits
        numbers: list[int] = []
        for _ in range(count):
            if fresh > last:
                last = fresh + random_bits(RANDOM_BITS)
            else:
                last += 1 + random_bits(RANDOM_BITS - 6)
            numbers.append(last)
        self._last = last
        return numbers

    def not_before(self, number: int) -> None:
        """Let every further id be above `number`."""
        self._last = max(self._last, number)
