"""Makes text from tasks safe to show. It is data from others: it must not steer a terminal."""

from __future__ import annotations

import unicodedata


def safe(text: str) -> str:
    """Text on one line, with all that is not printable (ANSI, bidi marks, newlines) escaped.

    >>> print(safe("red \\x1b[31m, and \\u202e backwards\\n"))
    red \\x1b[31m, and \\u202e backwards\\n
    """
    if text.isprintable():
        return text
    return "".join(char if _harmless(char) else _escaped(char) for char in text)


def safe_lines(text: str) -> list[str]:
    """The same line by line: newlines break lines, tabs become spaces."""
    return [safe(line.rstrip("\r")) for line in text.expandtabs().split("\n")]


def _harmless(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"  # spaces of all widths


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
