"""`headrace serve` as it is, but for what takes days: it forgets tasks seconds after their end.

python -m torture.soak.owner RETENTION serve --db FILE ...
"""

from __future__ import annotations

import sys
from functools import partial

from actors import persister
from scheduler import connect
from scheduler.cli import main as command_line
from scheduler.cli import opening

PRUNE_EVERY = 5.0  # seconds


def main() -> None:
    """Run the command line behind the first word."""
    retention = float(sys.argv.pop(1))
    persister.PRUNE_FIRST = persister.PRUNE_EVERY = PRUNE_EVERY
    vars(opening)["connect"] = partial(connect, retention=retention)
    command_line.main()


if __name__ == "__main__":
    main()
