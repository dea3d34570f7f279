"""How many lines of code a model takes: without blank lines, comments and docstrings."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def lines_of_code(source: str) -> int:
    '''Lines that hold anything but a comment or a part of a docstring.

    >>> lines_of_code("""
    ... # a comment
    ... def f() -> str:
    ...     "A docstring."
    ...     return "no docstring"  # another comment
    ... """)
    2
    '''
    lines: set[int] = set()
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - set(_docstring_lines(source)))


def lines_in(paths: Iterable[str]) -> int:
    """The lines of files, and of all files in folders, by their path in the project."""
    files = [file for path in paths for file in sorted(_files(ROOT / path))]
    return sum(lines_of_code(file.read_text()) for file in files)


def _files(path: Path) -> Iterable[Path]:
    return path.glob("*.py") if path.is_dir() else (path,)


def _docstring_lines(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())) as first, *_]:
                    assert first.end_lineno is not None
                    yield from range(first.lineno, first.end_lineno + 1)
