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


def safe_json(text: str) -> str:
    """JSON text with the same escaped as in its strings; it still says the same.

    >>> print(safe_json('{"a": "\\x7f"}'))
    {"a": "\\u007f"}
    """
    if text.isprintable():
        return text
    return "".join(
        char if char == "\n" or _harmless(char) else _escaped_in_json(char) for char in text
    )


def _harmless(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"  # spaces of all widths


def _escaped_in_json(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
