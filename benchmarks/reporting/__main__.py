"""Draws the page and the pictures of a run again, without measuring.

python -m benchmarks.reporting benchmarks/results/results.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.reporting.page import draw
from benchmarks.reporting.results import read


def main() -> None:
    """Beside the file that was named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("file", type=Path, help="results.json of a run")
    file: Path = parser.parse_args().file
    draw(read(file), file.parent)


if __name__ == "__main__":
    main()
