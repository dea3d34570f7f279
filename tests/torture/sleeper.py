"""A program that does nothing for so many seconds."""

from __future__ import annotations

import sys
import time


def main() -> None:
    """Sleep as long as the first argument says."""
    time.sleep(float(sys.argv[1]))
