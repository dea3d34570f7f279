"""Shows a run on a terminal: a bar, the counts, and the tasks that run now."""

from __future__ import annotations

import trio
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scheduler.cli.run.progress import Tally
from scheduler.cli.run.run_texts import (
    duration,
    failure_line,
    opening_lines,
    print_summary,
    progress_line,
)
from scheduler.cli.run.runner import Event
from scheduler.cli.run.summary import Opening, Summary
from scheduler.cli.text import safe

SHOWN_RUNNING = 8
BAR_WIDTH = 60


class LiveDisplay:
    """Redraws on `tick` only, so that a fast run is not slowed down by being watched."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def opened(self, opening: Opening) -> None:
        for line in opening_lines(opening):
            self._console.print(Text(line))
        self._live.start()

    def happened(self, event: Event, tally: Tally) -> None:
        if event.kind in ("failed", "retrying", "lost"):
            self._console.print(Text(failure_line(event), style="red"))

    def tick(self, tally: Tally) -> None:
        self._live.update(self._picture(tally, trio.current_time()), refresh=True)

    def stop(self) -> None:
        self._live.stop()

    def closed(self, summary: Summary) -> None:
        print_summary(summary)

    def _picture(self, tally: Tally, now: float) -> Group:
        rows = Table.grid(padding=(0, 2))
        rows.add_column(no_wrap=True)
        rows.add_column(no_wrap=True)
        longest = sorted(tally.running.items(), key=lambda job: job[1].since)
        for ref, job in longest[:SHOWN_RUNNING]:
            rows.add_row(Text(f"  {duration(now - job.since):>8}"), Text(_title(ref, job.summary)))
        if len(longest) > SHOWN_RUNNING:
            rows.add_row(Text(""), Text(f"and {len(longest) - SHOWN_RUNNING} more"))
        bar = ProgressBar(total=tally.total, completed=tally.finished, width=BAR_WIDTH)
        return Group(bar, Text(""), Text(progress_line(tally, now)), rows)


def _title(ref: str, summary: str) -> str:
    return safe(summary if summary.startswith(ref) else f"{ref}: {summary}")
