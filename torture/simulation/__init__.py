"""The whole scheduler on one thread, from one seed, on a disk that fails.

A world (`world`) has a scheduler in life after life (`life`), eight clients (`client` and the
modules of its parts) and troubles (`troubles`). What clients are told goes into a ledger (`ledger`,
`holds`), which compares it with what they are told later and, after each life, with the file
(`autopsy`). When the troubles end, all work must get done (`draining`).
"""

from __future__ import annotations

from torture.parts import Budget, Outcome


def run(budget: Budget) -> Outcome:
    """Worlds of every kind, from `budget.seed` on, until the time is up."""
    from torture.simulation.campaign import run  # it imports the whole scheduler

    return run(budget)
