"""`headrace serve` as it is, but that it forgets within seconds what it else keeps for long.

Tasks that have ended are kept for so many seconds instead of a month, and receipts of requests
for half a minute instead of an hour.

python -m torture.soak.owner RETENTION serve --db FILE ...
"""

from __future__ import annotations

import sys
from functools import partial

from actors import persister
from scheduler import connect
from scheduler.cli import main as command_line
from scheduler.cli import opening
from scheduler.domain import request_ids

PRUNE_EVERY = 5.0  # seconds
REMEMBERED = 30.0  # seconds, of a request


def main() -> None:
    """Run the command line behind the first word."""
    retention = float(sys.argv.pop(1))
    persister.PRUNE_FIRST = persister.PRUNE_EVERY = PRUNE_EVERY
    request_ids.REMEMBERED = REMEMBERED
    vars(opening)["connect"] = partial(connect, retention=retention)
    command_line.main()


if __name__ == "__main__":
    main()
