"""What passed, what failed, what was skipped and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["passed", "failed", "skipped"]


@dataclass
class Report:
    """One line a check, printed as it comes."""

    counts: dict[Outcome, int] = field(
        default_factory=lambda: {"passed": 0, "failed": 0, "skipped": 0}
    )
    could_not_run: bool = False

    def add(self, what: str, outcome: Outcome, detail: str = "") -> None:
        """A check has ended."""
        self.counts[outcome] += 1
        print(f"{outcome:8}{what:64}{detail}".rstrip(), flush=True)

    def miss(self, what: str, why: str) -> None:
        """A whole part could not be run here."""
        self.could_not_run = True
        self.add(what, "skipped", why)

    def close(self) -> None:
        """Print the sum."""
        print(", ".join(f"{number} {outcome}" for outcome, number in self.counts.items()))
