"""The signals that end a command in order."""

from __future__ import annotations

import signal

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heeded() -> list[signal.Signals]:
    """Those that whoever started this process did not want it to ignore (`nohup`)."""
    return [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
