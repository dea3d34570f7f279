"""Shows a run on a terminal: a bar, the counts, and the tasks that run now."""

from __future__ import annotations

import trio
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scheduler.cli.displays import (
    duration,
    failure_line,
    opening_lines,
    print_summary,
    progress_line,
)
from scheduler.cli.progress import Tally
from scheduler.cli.runner import Event
from scheduler.cli.summary import Opening, Summary
from scheduler.cli.text import safe

SHOWN_RUNNING = 8


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
        running = Table.grid(padding=(0, 2))
        longest = sorted(tally.running.items(), key=lambda job: job[1])
        for ref, since in longest[:SHOWN_RUNNING]:
            running.add_row(Text("  running"), Text(safe(ref)), Text(duration(now - since)))
        if len(longest) > SHOWN_RUNNING:
            running.add_row(Text("  and"), Text(f"{len(longest) - SHOWN_RUNNING} more"), Text(""))
        bar = ProgressBar(total=tally.total, completed=tally.finished, width=40)
        return Group(bar, Text(progress_line(tally, now)), running)
